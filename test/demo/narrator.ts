/** What the demo says: words wrapped to the terminal, and a list of what turned out right or wrong. */
export class Narrator {
  readonly #width: number;
  failures = 0;

  constructor(columns: number | undefined) {
    this.#width = Math.max(20, Math.min(columns ?? 80, 80) - 1);
  }

  title(text: string): void {
    this.line('');
    for (const part of wrap(text, this.#width - 3)) this.line(`== ${part}`);
  }

  say(text: string): void {
    for (const part of wrap(text, this.#width)) this.line(part);
  }

  /** Two columns where they fit beside each other, two lines where they do not. */
  pair(left: string, right: string, leftWidth: number): void {
    const oneLine = `  ${left.padEnd(leftWidth)}  ${right}`;
    if (oneLine.length <= this.#width) this.line(oneLine);
    else this.line(`  ${left}\n      ${right}`);
  }

  check(ok: boolean, text: string): void {
    if (!ok) this.failures += 1;
    const [first = '', ...rest] = wrap(text, this.#width - 5);
    this.line(`${ok ? 'ok  ' : 'BAD '} ${first}`);
    for (const part of rest) this.line(`     ${part}`);
  }

  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0)} MB`;
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
