import type { Frame } from './recording.ts';

const FONT_SIZE = 13;
const CHARACTER_WIDTH = 7.83;
const LINE_HEIGHT = 18;
const PADDING = 14;
/** The last frame stays before it begins again. */
const LAST_MS = 5000;

export interface SvgOptions {
  readonly columns: number;
  /** For those who do not see it. */
  readonly title: string;
}

/** Frames of a terminal as an SVG that moves by itself: without a script, in the colours that the reader prefers. */
export function terminalSvg(frames: readonly Frame[], { columns, title }: SvgOptions): string {
  const rows = Math.max(...frames.map(({ lines }) => lines.length));
  const width = Math.ceil(columns * CHARACTER_WIDTH + 2 * PADDING);
  const height = rows * LINE_HEIGHT + 2 * PADDING;
  const totalMs = (frames.at(-1)?.atMs ?? 0) + LAST_MS;
  const percent = (ms: number) => `${((100 * ms) / totalMs).toFixed(2)}%`;
  const rules = frames.map(({ atMs }, index) => {
    const until = frames[index + 1]?.atMs;
    const hidden = until === undefined ? '' : `${percent(until)}{visibility:hidden}`;
    return [
      `@keyframes k${index}{0%{visibility:${atMs === 0 ? 'visible' : 'hidden'}}${percent(atMs)}{visibility:visible}${hidden}}`,
      `#f${index}{animation:k${index} ${totalMs}ms step-end infinite}`,
    ].join('\n');
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    '<style>',
    `text{font:${FONT_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#1f2328}`,
    '.p{font-weight:bold;fill:#116329}',
    '#b{fill:#f6f8fa;stroke:#d1d9e0}',
    '.f{visibility:hidden}',
    '@media (prefers-color-scheme:dark){text{fill:#e6edf3}.p{fill:#7ee787}#b{fill:#0d1117;stroke:#3d444d}}',
    '@media (prefers-reduced-motion:no-preference){',
    ...rules,
    '}',
    // People who prefer reduced motion see the end.
    `@media (prefers-reduced-motion:reduce){#f${frames.length - 1}{visibility:visible}}`,
    '</style>',
    `<rect id="b" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...frames.map(({ lines }, index) =>
      [`<g id="f${index}" class="f">`, ...lines.flatMap(textElement), '</g>'].join('\n'),
    ),
    '</svg>',
  ].join('\n')}\n`;
}

function textElement(line: string, row: number): string[] {
  if (line === '') return [];
  const y = PADDING + row * LINE_HEIGHT + FONT_SIZE;
  const length = (line.length * CHARACTER_WIDTH).toFixed(1);
  // The length is given, because fonts differ in width and columns must stay below each other.
  const style = line.startsWith('$ ') ? ' class="p"' : '';
  return [`<text x="${PADDING}" y="${y}" textLength="${length}"${style}>${escaped(line)}</text>`];
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
