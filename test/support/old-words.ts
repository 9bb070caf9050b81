/** A word that the project has replaced, and where it stands. */
export interface OldWord {
  readonly line: number;
  readonly word: string;
  readonly instead: string;
}

/** Words of version 0.1.0 and what they are called now. A name is seen as its parts: `laneState` has the word `lane`. */
const REPLACED: Readonly<Record<string, string>> = {
  anybody: 'who or what it is',
  crew: 'worker threads',
  desk: 'server',
  desks: 'servers',
  donor: 'local copy',
  donors: 'local copies',
  everybody: 'who or what it is',
  folder: 'directory',
  folders: 'directories',
  habit: 'trait',
  habits: 'traits',
  impatient: 'the limit that is short',
  inquiry: 'context',
  lane: 'connection',
  lanes: 'connections',
  leftover: 'stale file',
  leftovers: 'stale files',
  nobody: 'who or what it is',
  obstacle: 'path conflict',
  obstacles: 'path conflicts',
  patience: 'limit',
  patient: 'the limit that is long',
  somebody: 'who or what it is',
  span: 'segment',
  spans: 'segments',
  whoever: 'who or what it is',
};

/** Names whose parts are words of today. */
const REPLACED_NAMES: Readonly<Record<string, string>> = {
  AnswerCache: 'ResponseCache',
  ChoosingTransport: 'AdaptiveTransport',
  ConnectionBudget: 'AdaptiveConcurrency',
  ContentChecker: 'HashPool',
  CoreTransport: 'NodeHttpTransport',
  filesLeftBehind: 'staleFiles',
  Finisher: 'FileFinalizer',
  HashFollower: 'IncrementalHash',
  knownListing: 'recordedListing',
  lacksAll: 'isFreshTarget',
  LockContext: 'ProcessContext',
  LockedFile: 'LockfileEntry',
  LockOwner: 'ProcessIdentity',
  makeFolder: 'ensureDirectory',
  mayLeave: 'canRequeue',
  OddAnswer: 'UnsupportedResponse',
  Parties: 'TransferContext',
  PieceJoiner: 'WriteCoalescer',
  RawTransport: 'SocketTransport',
  refuseDrift: 'assertNoDrift',
  SharedTime: 'StallClock',
  ThreadHasher: 'HashPool',
  ThreadTransport: 'WorkerTransport',
  WorkQueue: 'SegmentQueue',
};

/** Limits are called MIN_ and MAX_. */
const LIMIT = /\b(?:MOST|LEAST|LONGEST|SMALLEST|FEW)_[A-Z]\w*/g;

/** The old words in a text, but those that are `allowed` in it. */
export function oldWords(text: string, allowed: readonly string[] = []): OldWord[] {
  return text.split('\n').flatMap((row, index) => {
    const line = index + 1;
    const names = Array.from(row.matchAll(/[A-Za-z]+/g), ([name]) => name);
    const found = [
      ...names.flatMap((name) => {
        const instead = own(REPLACED_NAMES, name);
        return instead === undefined ? [] : [{ line, word: name, instead }];
      }),
      ...names.flatMap(partsOf).flatMap((word) => {
        const instead = own(REPLACED, word);
        return instead === undefined ? [] : [{ line, word, instead }];
      }),
      ...Array.from(row.matchAll(LIMIT), ([word]) => ({ line, word, instead: 'MIN_ or MAX_' })),
    ];
    return found.filter(({ word }) => !allowed.includes(word));
  });
}

/** `laneState` → `lane`, `state`; `HTTPServer` → `http`, `server`. */
function partsOf(name: string): string[] {
  const parts = name.split(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/);
  return parts.map((part) => part.toLowerCase());
}

function own(words: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(words, key) ? words[key] : undefined;
}
