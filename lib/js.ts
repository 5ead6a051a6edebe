export { open } from './open/open-js.js'
export * from './exports.js'
