import type { MultiBar, Options, SingleBar } from 'cli-progress';
import { displayWidth, printable } from '../../model/format.ts';
import { planSentence, revisionSentence } from '../../model/plan-sentence.ts';
import { type BarRow, BarView } from './bar-view.ts';
import { type Notice, Notices, type Tone } from './notice.ts';
import type { Output, ReporterContext, ReportTime } from './output.ts';
import type { Reporter } from './reporter.ts';
import { Tally } from './tally.ts';
import { Throughput } from './throughput.ts';

export interface BarReporterOptions extends ReporterContext {
  readonly verbose: boolean;
  readonly colour: boolean;
  /** The repository as the user wrote it. */
  readonly subject: string;
}

const FRAME_MS = 100;
// The given clock drives the drawing. The library's own timer is set so slow that it practically never fires.
const SLEEPER_FRAMES_PER_SECOND = 1 / 2_000_000;
const SGR: Record<Tone, readonly [on: string, off: string]> = {
  plain: ['', ''],
  warning: ['\x1b[33m', '\x1b[39m'],
  error: ['\x1b[31m', '\x1b[39m'],
  faint: ['\x1b[2m', '\x1b[22m'],
};

/**
 * For a person at a terminal: one row per active file, a total below, notices above. `close` removes the rows and
 * shows the cursor again; then the command line prints the summary in their place.
 */
export async function createBarReporter(options: BarReporterOptions): Promise<Reporter> {
  // Loaded on demand: runs without bars and `--help` do not need it.
  const { default: library } = await import('cli-progress');
  return new BarReporter(options, (settings) => new library.MultiBar(settings));
}

class BarReporter implements Reporter {
  readonly #output: Output;
  readonly #time: ReportTime;
  readonly #colour: boolean;
  readonly #tally = new Tally();
  readonly #throughput = new Throughput();
  readonly #notices: Notices;
  readonly #view: BarView;
  readonly #createMulti: () => MultiBar;
  #multi: MultiBar;
  #slots: SingleBar[] = [];
  readonly #stopTicking: () => void;
  /** Output of the library during one frame, written at once so that no incomplete frame is visible. */
  #frame = '';
  /** The rows on the screen, without colours. */
  #shown: readonly string[] = [];
  #shownColumns = 0;
  #pending: string[] = [];
  #closed = false;
  /** Number of active pauses. */
  #pauses = 0;

  constructor(options: BarReporterOptions, createMulti: (settings: Options) => MultiBar) {
    const { output, time, colour, subject } = options;
    this.#output = output;
    this.#time = time;
    this.#colour = colour;
    this.#notices = new Notices(options);
    this.#view = new BarView({ tally: this.#tally, throughput: this.#throughput, subject, colour });
    const settings: Options = {
      stream: this.#frameStream(),
      format: (_options, params, payload: { row: BarRow }) => payload.row.text(params.progress),
      fps: SLEEPER_FRAMES_PER_SECOND,
      hideCursor: true,
      clearOnComplete: true,
      // Rows never reach the edge. If wrapping were switched off, a kill -9 would leave the terminal without it.
      linewrap: true,
      // Notices move the rows, but the library would consider them unchanged.
      forceRedraw: true,
    };
    this.#createMulti = () => createMulti(settings);
    this.#multi = this.#createMulti();
    this.#stopTicking = time.every(FRAME_MS, () => this.#draw());
  }

  // A field, not a method, because callers pass `reporter.emit` on.
  readonly emit: Reporter['emit'] = (event) => {
    if (this.#closed) return;
    this.#tally.apply(event);
    const now = this.#time.now();
    switch (event.type) {
      case 'bytes':
      case 'copied':
        this.#throughput.record(event.count, now);
        return;
      case 'resolved':
        this.#say({ text: revisionSentence(event.revision), tone: 'plain' });
        return;
      case 'planned':
        this.#throughput.start(now);
        this.#say({ text: planSentence(event.plan), tone: 'plain' });
        this.#say({ text: `into ${printable(event.directory)}`, tone: 'plain' });
        return;
      default: {
        const notice = this.#notices.of(event, now);
        if (notice !== undefined) this.#say(notice);
      }
    }
  };

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopTicking();
    for (const notice of this.#notices.rest()) this.#say(notice);
    this.#clear();
  }

  pause(): () => void {
    if (this.#closed) return () => {};
    this.#pauses += 1;
    this.#clear();
    let paused = true;
    return () => {
      if (paused) this.#pauses -= 1;
      paused = false;
    };
  }

  /** Clears the rows and shows the cursor; pending messages stay pending. The next frame starts at the cursor. */
  #clear(): void {
    if (this.#slots.length > 0) {
      this.#repairAfterResize();
      if (this.#pending.length > 0) this.#render(this.#rows());
      this.#multi.stop();
      this.#flush();
      this.#slots = [];
      this.#shown = [];
      if (!this.#closed) this.#multi = this.#createMulti();
    } else this.#sayPlainly();
  }

  #sayPlainly(): void {
    if (this.#pending.length > 0) this.#output.write(this.#pending.join(''));
    this.#pending = [];
  }

  #say(notice: Notice): void {
    const [on, off] = this.#colour ? SGR[notice.tone] : SGR.plain;
    this.#pending.push(`${on}${notice.text}${off}\n`);
  }

  #draw(): void {
    if (this.#pauses > 0) return;
    for (const notice of this.#notices.due(this.#time.now())) this.#say(notice);
    if (this.#output.isForeground?.() === false) {
      this.#sayPlainly();
      return;
    }
    // A slow terminal gets fewer frames, not a growing queue of old ones.
    if (this.#output.writableNeedDrain === true) return;
    const rows = this.#rows();
    const texts = rows.map(rowText);
    const resized = this.#repairAfterResize();
    const unchanged =
      texts.length === this.#shown.length && texts.every((text, i) => text === this.#shown[i]);
    if (unchanged && !resized && this.#pending.length === 0) return;
    this.#render(rows);
    this.#shown = texts;
    this.#flush();
  }

  #rows(): readonly BarRow[] {
    // The last column stays free: some terminals defer wrapping there and erase the wrong cell.
    const columns = Math.max(1, this.#columns() - 1);
    return this.#view.rows({ columns, rows: this.#output.rows ?? 24 }, this.#time.now());
  }

  #columns(): number {
    // Some terminals report a width of 0 when they do not know.
    return this.#output.columns || 80;
  }

  #render(rows: readonly BarRow[]): void {
    if (this.#pending.length > 0) {
      // Clear first: a notice may be longer than one row, and the rest of an old bar must not remain behind it.
      this.#multi.log(`\x1b[J${this.#pending.join('')}`);
      this.#pending = [];
    }
    while (this.#slots.length > rows.length) {
      const slot = this.#slots.pop();
      if (slot !== undefined) this.#multi.remove(slot);
    }
    rows.forEach((row, index) => {
      const slot = this.#slots[index] ?? this.#addSlot(row);
      slot.setTotal(row.total);
      slot.update(row.done, { row });
    });
    this.#multi.update();
    // If the caller ends without close(), the sleeping timer must not keep the process alive for weeks.
    (this.#multi as { timer?: { unref?(): void } | null }).timer?.unref?.();
    this.#shownColumns = this.#columns();
  }

  #addSlot(row: BarRow): SingleBar {
    const slot = this.#multi.create(row.total, row.done, { row });
    this.#slots.push(slot);
    return slot;
  }

  /**
   * A terminal that was made narrower wraps each row into several lines, and the library does not know it: moves up
   * to where they begin now, clears, and returns to where the library expects the cursor.
   */
  #repairAfterResize(): boolean {
    const columns = this.#columns();
    if (columns === this.#shownColumns || this.#shown.length === 0) return false;
    const lines = this.#shown.map((text) => Math.max(1, Math.ceil(displayWidth(text) / columns)));
    const up = lines.reduce((sum, count) => sum + count, 0) - 1;
    const down = this.#shown.length - 1;
    this.#frame += `${up > 0 ? `\x1b[${up}A` : ''}\r\x1b[J${'\n'.repeat(down)}`;
    return true;
  }

  #flush(): void {
    if (this.#frame === '') return;
    const frame = this.#frame;
    this.#frame = '';
    this.#output.write(frame);
  }

  /**
   * The stream that the library sees. Its width is unlimited, because the library counts characters and would cut
   * colour codes in two; the rows are already cut to fit.
   */
  #frameStream(): NodeJS.WritableStream {
    const stream = {
      isTTY: true,
      columns: Number.MAX_SAFE_INTEGER,
      write: (text: string): boolean => {
        this.#frame += text;
        return true;
      },
    };
    return stream as unknown as NodeJS.WritableStream;
  }
}

/** The row as it will be drawn, without its colours: for comparing and measuring. */
function rowText(row: BarRow): string {
  const share = row.total > 0 ? Math.min(1, row.done / row.total) : 1;
  return row.text(share).replace(/\x1b\[\d*m/g, '');
}
