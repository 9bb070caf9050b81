import { posix } from 'node:path';
import { readSource } from './source-text.ts';

/** Which other rooms each room may import, as the table of the architecture says. A path means that one file. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  system: ['model'],
  http: ['model', 'system'],
  source: ['model', 'system', 'http'],
  plan: ['model'],
  hash: ['model', 'system'],
  transfer: ['model', 'system', 'http', 'hash', 'source/source.ts', 'source/location.ts', 'store/store.ts'],
  store: ['model', 'system'],
  branches: ['model', 'source/source.ts'],
  serve: ['model', 'system', 'store/held-revision.ts', 'store/records/stamp.ts'],
  report: ['model', 'system'],
  operations: ['model', 'system', 'http', 'source', 'plan', 'hash', 'transfer', 'store', 'branches', 'serve'],
};

/** The one file beside cli that may look at the process: what everything else gets as an argument. */
const ENVIRONMENT = 'operations/create-environment.ts';

/** Where a package may be imported. A dependency that is not here may be imported anywhere. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  '@huggingface/gguf': /^branches\/gguf-header\.ts$/,
  '@huggingface/hub': /^source\/hub\//,
  'cli-progress': /^report\/progress\/bar-reporter\.ts$/,
  commander: /^cli\//,
  'gearhash-jit': /^hash\/chunker\.ts$/,
  htmlparser2: /^source\/registry\//,
  'node:process': /^cli\//,
  process: /^cli\//,
};

/** They decide and touch nothing, so they have no use for the system underneath. */
const PURE_ROOMS: readonly string[] = ['model', 'plan'];

const MAX_LINES = 400;

/**
 * Says what a file does against the architecture. `path` is relative to `src`, with `/`; `packages` are the
 * dependencies that package.json names.
 */
export function violations(path: string, text: string, packages: readonly string[]): string[] {
  const { code, specifiers } = readSource(text);
  return [
    ...shapeViolations(path, text, code),
    ...specifiers.flatMap((specifier) => importViolations(path, specifier, packages)),
  ];
}

function shapeViolations(path: string, text: string, code: string): string[] {
  const segments = path.split('/');
  const found: string[] = [];
  const room = segments[0]!;
  if (path !== 'index.ts' && room !== 'cli' && !Object.hasOwn(ROOMS, room))
    found.push(`${room} is not a room`);
  if (segments.includes('utils')) found.push('a directory called utils');
  if (segments.length > 1 && segments.at(-1) === 'index.ts') found.push('a barrel inside a room');
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines > MAX_LINES) found.push(`${lines} lines`);
  if (/\bexport\s+(default\b|\{[^}]*\bdefault\b)/.test(code)) found.push('a default export');
  if (
    room !== 'cli' &&
    path !== ENVIRONMENT &&
    /(?<!(?<!\.)\.\s*|[\w$#])process\b(?!\??:|[\w$])/.test(withoutOwn(code))
  )
    found.push('uses process');
  return found;
}

/** `globalThis.process` is the same thing; a property of anything else is not. */
function withoutOwn(code: string): string {
  return code.replace(/\b(globalThis|global)\s*(\?\.|\.)\s*/g, '');
}

function importViolations(
  path: string,
  specifier: string | undefined,
  packages: readonly string[],
): string[] {
  if (specifier === undefined) return ['imports something that only running it would tell'];
  if (!specifier.startsWith('.')) return packageViolations(path, specifier, packages);
  const target = posix.join(posix.dirname(path), specifier);
  if (target.startsWith('../')) return [`imports ${specifier}, outside src`];
  if (!target.endsWith('.ts')) return [`imports ${specifier}, without .ts`];
  return mayImport(path, target) ? [] : [`imports ${target}`];
}

function packageViolations(path: string, specifier: string, packages: readonly string[]): string[] {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const place = PACKAGES[name];
  if (place !== undefined) return place.test(path) ? [] : [`imports ${name}`];
  if (!specifier.startsWith('node:'))
    return packages.includes(name) ? [] : [`imports ${name}, not a dependency`];
  return PURE_ROOMS.includes(path.split('/')[0]!) ? [`imports ${specifier}`] : [];
}

function mayImport(from: string, to: string): boolean {
  const [room = '', part] = from.split('/');
  const targetRoom = to.split('/')[0]!;
  if (room === 'cli') return true;
  if (targetRoom === 'cli' || to === 'index.ts') return false;
  if (from === 'index.ts') return true;
  if (room === 'source') return sourceMayImport(part!, from, to);
  if (room === 'store' && isOtherLayout(from, to)) return false;
  if (room === 'operations' && isLayout(to)) return false;
  return (
    targetRoom === room || (ROOMS[room] ?? []).some((allowed) => allowed === targetRoom || allowed === to)
  );
}

/** Each layout knows what all share, and itself; what all share knows no layout. The files of the room itself choose one for operations. */
const LAYOUTS: readonly string[] = ['directory', 'hub-cache', 'ollama'];

function isOtherLayout(from: string, to: string): boolean {
  const part = (path: string) => path.split('/').slice(1, -1)[0] ?? '';
  if (part(from) === '' && from !== 'store/store.ts') return false;
  return isLayout(to) && part(to) !== part(from);
}

function isLayout(path: string): boolean {
  return LAYOUTS.some((layout) => path.startsWith(`store/${layout}/`));
}

/** The interface of all sources. */
const SOURCE_INTERFACE: readonly string[] = ['source/source.ts', 'source/location.ts'];

/**
 * The interface knows the nouns only; each source knows the interface and itself, never another source. The other files
 * of the room itself are the tables of sources: they know all.
 */
function sourceMayImport(part: string, from: string, to: string): boolean {
  const targetRoom = to.split('/')[0]!;
  const isInterface = SOURCE_INTERFACE.includes(from);
  if (targetRoom !== 'source')
    return isInterface ? targetRoom === 'model' : ROOMS['source']!.includes(targetRoom);
  if (SOURCE_INTERFACE.includes(to)) return true;
  return !isInterface && (from === `source/${part}` || to.startsWith(`source/${part}/`));
}

type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** Files that import one another in a circle: each group sorted. Found by what reaches what (at most some hundred files). */
export function circles(graph: ImportGraph): string[][] {
  const reach = new Map([...graph.keys()].map((path) => [path, reachable(graph, path)]));
  const inCircle = [...graph.keys()].filter((path) => reach.get(path)!.has(path)).sort();
  const groups = inCircle.map((path) =>
    inCircle.filter((other) => reach.get(path)!.has(other) && reach.get(other)!.has(path)),
  );
  return groups.filter((group, index) => group[0] === inCircle[index]);
}

function reachable(graph: ImportGraph, from: string): Set<string> {
  const seen = new Set<string>();
  const next = [...(graph.get(from) ?? [])];
  for (let path = next.pop(); path !== undefined; path = next.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    next.push(...(graph.get(path) ?? []));
  }
  return seen;
}

/** Which room imports which, as `from → to`, sorted. A file beside the rooms counts as one. */
export function arrows(graph: ImportGraph): string[] {
  const roomOf = (path: string) => path.split('/')[0]!;
  const all = [...graph].flatMap(([from, targets]) =>
    targets.map((to) => [roomOf(from), roomOf(to)] as const),
  );
  return [...new Set(all.filter(([from, to]) => from !== to).map(([from, to]) => `${from} → ${to}`))].sort();
}
