export type ProgressChoice = 'auto' | 'bar' | 'plain' | 'none';

/**
 * - `bar`: bars on stderr. - `line`: plain lines on stderr. - `notes`: only notes, retries and failures, on stderr.
 * - `json`: events on stdout. An empty list prints nothing.
 */
export type ReporterKind = 'bar' | 'line' | 'notes' | 'json';

export interface ReporterCircumstances {
  readonly progress: ProgressChoice;
  readonly quiet: boolean;
  readonly json: boolean;
  /** Whether stderr is a terminal. */
  readonly isTTY: boolean;
  /** The environment variables of these names, as they are. */
  readonly TERM: string | undefined;
  readonly NO_COLOR: string | undefined;
  readonly CI: string | undefined;
}

/**
 * Which reporters a run gets. Control codes need a terminal that understands them and a user who did not set
 * `NO_COLOR`; even `--progress bar` does not override that. `CI` only changes the meaning of `auto`.
 */
export function chooseReporters(facts: ReporterCircumstances): readonly ReporterKind[] {
  const onStandardError = facts.quiet ? [] : [chooseProgress(facts)];
  return facts.json ? ['json', ...onStandardError] : onStandardError;
}

function chooseProgress(facts: ReporterCircumstances): ReporterKind {
  const canDraw = facts.isTTY && facts.TERM !== 'dumb' && !isSet(facts.NO_COLOR);
  switch (facts.progress) {
    case 'none':
      return 'notes';
    case 'plain':
      return 'line';
    case 'bar':
      return canDraw ? 'bar' : 'line';
    case 'auto':
      // With JSON on stdout, progress on stderr would only fill the log.
      if (facts.json) return 'notes';
      return canDraw && !isCI(facts.CI) ? 'bar' : 'line';
  }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

function isCI(value: string | undefined): boolean {
  return isSet(value) && value !== '0' && value?.toLowerCase() !== 'false';
}
