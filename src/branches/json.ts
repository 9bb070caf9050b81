/** Reading of JSON that nobody has checked: a field is there with the type that is expected, or it is not there. */
export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The object that a text holds, or the sentence that says why there is none. */
export function parseRecord(text: string): JsonRecord | string {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return 'broken JSON';
  }
  return isRecord(value) ? value : 'JSON that is no object';
}

export function recordAt(from: JsonRecord, name: string): JsonRecord | undefined {
  const value = own(from, name);
  return isRecord(value) ? value : undefined;
}

/** A number within bounds; anything else is taken for missing. */
export function numberAt(from: JsonRecord, name: string, least: number, most: number): number | undefined {
  const value = own(from, name);
  return typeof value === 'number' && value >= least && value <= most ? value : undefined;
}

export function integerAt(from: JsonRecord, name: string, least: number, most: number): number | undefined {
  const value = numberAt(from, name, least, most);
  return Number.isSafeInteger(value) ? value : undefined;
}

export function booleanAt(from: JsonRecord, name: string): boolean | undefined {
  const value = own(from, name);
  return typeof value === 'boolean' ? value : undefined;
}

/** A text that is not empty; no field that is read here is honestly longer than this. */
export function textAt(from: JsonRecord, name: string, most = 200): string | undefined {
  const value = own(from, name);
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, most) : undefined;
}

/** Never what an object inherits: a name like `constructor` is no field. */
function own(from: JsonRecord, name: string): unknown {
  return Object.hasOwn(from, name) ? from[name] : undefined;
}

/** Fields that are there with a value that `accepts` does not take; null counts as not there. */
export function senseless(
  from: JsonRecord,
  names: readonly string[],
  accepts: (value: unknown) => boolean,
): string[] {
  return names.filter((name) => {
    const value = own(from, name);
    return value !== undefined && value !== null && !accepts(value);
  });
}
