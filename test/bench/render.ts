import type { SceneResult } from './run.ts';
import { type Row, rowsOf } from './summary.ts';
import type { Target } from './targets.ts';

/** Where and when it was measured. */
export interface Setting {
  readonly date: string;
  readonly host: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly shaInstructions: boolean;
  readonly versions: Readonly<Record<string, string>>;
  /** Commit of this repository, with a mark if there are changes beside it. */
  readonly commit: string;
  /** Directory and kind of file system, for each place. */
  readonly places: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly size: number;
  readonly count: number;
  readonly command: string;
}

export function renderAll(
  setting: Setting,
  scenes: readonly SceneResult[],
  targets: readonly Target[],
): string {
  const full = setting.size >= 2 ** 30 && setting.count >= 2000 && setting.rounds >= 5;
  const caution = '**Smaller or fewer than the targets are meant for: these figures prove nothing.**';
  const parts = [
    renderSetting(setting, scenes),
    ...(full ? [] : [caution]),
    renderTargets(targets.filter(({ measured }) => full || !Number.isNaN(measured))),
    ...scenes.map(renderScene),
  ];
  return `${parts.join('\n\n')}\n`;
}

function renderSetting(setting: Setting, scenes: readonly SceneResult[]): string {
  const loads = scenes.flatMap((scene) => scene.runs.map((run) => run.load));
  const load =
    loads.length === 0 ? '' : `, load ${Math.min(...loads).toFixed(1)}-${Math.max(...loads).toFixed(1)}`;
  const versions = Object.entries(setting.versions).map(([name, version]) => `${name} ${version}`);
  const places = Object.entries(setting.places).map(([name, where]) => `${name}: ${where}`);
  return [
    `Measured ${setting.date} on ${setting.cores} × ${setting.cpu}, ${setting.memoryGiB} GiB, ${setting.kernel}, ` +
      `SHA instructions: ${setting.shaInstructions ? 'yes' : 'no'}${load}; commit ${setting.commit}.`,
    `${versions.join(', ')}. ${places.join('; ')}.`,
    `Client and servers share the machine. Rounds: ${setting.rounds} after a warm-up, alternating, the order reversed every ` +
      'second time; medians [min-max]. "×" is how many times faster than the first line of the same round ' +
      '(median of the quotients). "Twice" is what was sent beyond the size of the files, "peak" the memory of the ' +
      'process tree; both the highest of all rounds. "GB" is 10^9 bytes. Before each run, memory for its files is ' +
      'touched once, because the first touch of a page is slow on a virtual machine. Limited links are a proxy on the same cores, ' +
      'which takes 0.7-0.9 CPU seconds per GB of them.',
    `Repeat: \`sh test/bench/prepare.sh && ${setting.command}\``,
  ].join('\n\n');
}

export function renderTargets(targets: readonly Target[]): string {
  const lines = targets.map(({ scene, what, wanted, measured, unit, reached }) => {
    const figure = Number.isNaN(measured) ? 'not measured' : `${short(measured)}${unit}`;
    const verdict = reached === undefined ? '-' : reached ? 'yes' : '**no**';
    return `| ${what} | ${wanted} | ${figure} | ${verdict} | ${scene} |`;
  });
  const head = ['| target | wanted | measured | reached | scene |', '|---|---|---|---|---|'];
  return [...head, ...lines].join('\n');
}

export function renderScene(scene: SceneResult): string {
  const starts = scene.id === 'startup';
  const head = starts
    ? ['| | ms | × | CPU ms | rounds |', '|---|---|---|---|---|']
    : [
        '| | verifies | seconds | × | CPU s | CPU s/GB | peak MB | twice | rounds |',
        '|---|---|---|---|---|---|---|---|---|',
      ];
  const lines = rowsOf(scene)
    .sort((left, right) => Number(right.entry === scene.reference) - Number(left.entry === scene.reference))
    .map(starts ? startLine : downloadLine);
  const missing = Object.entries(scene.missing).map(
    ([name, reason]) => `- not here: ${name}: ${firstLine(reason)}`,
  );
  return [
    `### ${scene.id}: ${scene.title}`,
    `Commit ${scene.measured.commit}: \`npm run bench -- --scenes ${scene.id}\``,
    [...head, ...lines].join('\n'),
    ...(missing.length === 0 ? [] : [missing.join('\n')]),
  ].join('\n\n');
}

function downloadLine(row: Row): string {
  const { entry, verifies, wallMs, ratio, cpuMs, cpuSecondsPerGB, peakBytes, sentTwice, rounds } = row;
  const wall = `${seconds(wallMs.median)} [${seconds(wallMs.min)}-${seconds(wallMs.max)}]`;
  const cells = [
    entry,
    verifies,
    wall,
    short(ratio),
    seconds(cpuMs),
    short(cpuSecondsPerGB),
    String(Math.round(peakBytes / 1e6)),
    `${(sentTwice * 100).toFixed(1)} %`,
    String(rounds),
  ];
  return `| ${cells.join(' | ')} |`;
}

function startLine({ entry, wallMs, ratio, cpuMs, rounds }: Row): string {
  const wall = `${wallMs.median.toFixed(0)} [${wallMs.min.toFixed(0)}-${wallMs.max.toFixed(0)}]`;
  return `| \`${entry}\` | ${wall} | ${short(ratio)} | ${cpuMs.toFixed(0)} | ${rounds} |`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

/** Two digits behind the point for what is small, fewer for what is not. */
function short(value: number): string {
  if (Number.isNaN(value)) return '-';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.slice(0, 200);
}
