import js from '@eslint/js'
import tseslint from 'typescript-eslint'

// A folder of lib imports only those before it. What a file may import nothing of, by the folder that it is in:
const LAYERS = ['base', 'contract', 'views', 'collections', 'engines', 'store', 'open']
const FORBIDDEN = Object.fromEntries(LAYERS.map((layer, place) => [layer, LAYERS.slice(place + 1)]))
for (const [engine, other, parts] of [
  ['native', 'js', ['codec', 'tree', 'map']],
  ['js', 'native', ['data', 'disk']],
]) {
  FORBIDDEN[`engines/${engine}`] = [...FORBIDDEN.engines, other]
  parts.forEach((part, place) => {
    FORBIDDEN[`engines/${engine}/${part}`] = [...FORBIDDEN.engines, other, ...parts.slice(place + 1)]
  })
}
const layers = Object.entries(FORBIDDEN)
  .filter(([, folders]) => folders.length > 0)
  .map(([folder, folders]) => ({
    files: [`lib/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              // Nor the entry points, which import everything.
              group: [...folders.map((name) => `**/${name}/**`), '**/index.js', '**/js.js'],
              message: `lib/${folder} imports only from the folders before it: see LAYERS in eslint.config.js.`,
            },
          ],
        },
      ],
    },
  }))

export default tseslint.config(
  { ignores: ['**/node_modules/', '**/build/', 'dist/', 'prebuilds/', 'bench/results/', 'native/'] },
  js.configs.recommended,
  {
    files: ['lib/**/*.ts', 'test/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    rules: {
      // tsc checks names; and these read better than what would replace them.
      '@typescript-eslint/class-literal-property-style': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      'no-control-regex': 'off',
      'no-undef': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'no-console': 'off',
    },
  },
  {
    files: ['lib/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-undef': 'off',
      'no-console': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off', // arguments come from JavaScript callers too
      'no-restricted-globals': [
        'error',
        ...[
          'clearImmediate',
          'clearInterval',
          'clearTimeout',
          'setImmediate',
          'setInterval',
          'setTimeout',
        ].map((name) => ({
          name,
          message: 'Use lib/base/timers.ts: test frameworks replace the global ones.',
        })),
      ],
    },
  },
  {
    // Readers and writers are generated, one for each shape; a sentinel is thrown where an error would be slow.
    files: ['lib/engines/native/**/*.ts'],
    rules: {
      '@typescript-eslint/no-implied-eval': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: { 'no-sparse-arrays': 'off', '@typescript-eslint/no-extraneous-class': 'off' },
  },
  {
    // Node's globals, for plain JavaScript.
    files: ['**/*.{js,mjs}'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        setInterval: 'readonly',
        setImmediate: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
        performance: 'readonly',
        URL: 'readonly',
        fetch: 'readonly',
      },
    },
  },
  ...layers,
)
