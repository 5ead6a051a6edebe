import { pageColors } from './theme.js'

/** Of the page: one column on a phone, as many panels beside each other as fit elsewhere. */
export const style = `${pageColors}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px; max-width: 1080px; background: var(--background); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 26px; line-height: 1.25; margin: 8px 0; }
h2 { font-size: 21px; line-height: 1.3; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--grid); }
h3 { font-size: 16px; margin: 24px 0 4px; }
p { margin: 4px 0 12px; max-width: 85ch; }
a { color: var(--forkstore); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; padding: 0; list-style: none; }
nav a { display: inline-block; padding: 6px 0; }
code { font: 14px/1.4 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; background: var(--band); padding: 1px 5px; border-radius: 4px; white-space: nowrap; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr)); gap: 12px 24px; }
/* A chart that is drawn twice: with more room where there is room. */
.wide { display: none; }
@media (min-width: 700px) { .wide { display: block; grid-column: 1 / -1; } .narrow { display: none; } }
.panel svg { display: block; width: 100%; max-width: 420px; height: auto; }
.wide svg { max-width: 640px; }
.origin, .missing { color: var(--muted); font-size: 13px; max-width: none; }
.missing { border: 1px dashed var(--muted); border-radius: 6px; padding: 12px; font-size: 15px; }
.table { overflow-x: auto; border: 1px solid var(--grid); border-radius: 6px; margin: 8px 0; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); font-weight: 400; }
thead th { color: var(--muted); }
/* What a line is about stays in sight, and leaves room for a figure on a phone. */
th:first-child { text-align: left; white-space: normal; overflow-wrap: normal; min-width: 130px; position: sticky; left: 0; background: var(--background); }
tbody tr:last-child > * { border-bottom: 0; }
`
