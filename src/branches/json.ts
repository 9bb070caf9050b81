import { isRecord, type JsonRecord } from '../model/json.ts';

/** Parses an object; returns the reason as a phrase if the text is not one. */
export function parseRecord(text: string): JsonRecord | string {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return 'broken JSON';
  }
  return isRecord(value) ? value : 'JSON that is not an object';
}

export function recordAt(from: JsonRecord, name: string): JsonRecord | undefined {
  const value = own(from, name);
  return isRecord(value) ? value : undefined;
}

/** A number within bounds; any other value counts as absent. */
export function numberAt(from: JsonRecord, name: string, min: number, max: number): number | undefined {
  const value = own(from, name);
  return typeof value === 'number' && value >= min && value <= max ? value : undefined;
}

export function integerAt(from: JsonRecord, name: string, min: number, max: number): number | undefined {
  const value = numberAt(from, name, min, max);
  return Number.isSafeInteger(value) ? value : undefined;
}

export function booleanAt(from: JsonRecord, name: string): boolean | undefined {
  const value = own(from, name);
  return typeof value === 'boolean' ? value : undefined;
}

/** A text that is not empty, cut to `maxLength` characters. */
export function textAt(from: JsonRecord, name: string, maxLength = 200): string | undefined {
  const value = own(from, name);
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, maxLength) : undefined;
}

/** Ignores inherited properties such as `constructor`. */
function own(from: JsonRecord, name: string): unknown {
  return Object.hasOwn(from, name) ? from[name] : undefined;
}

/** The names of fields whose values `accepts` refuses; null counts as absent. */
export function invalidFields(
  from: JsonRecord,
  names: readonly string[],
  accepts: (value: unknown) => boolean,
): string[] {
  return names.filter((name) => {
    const value = own(from, name);
    return value !== undefined && value !== null && !accepts(value);
  });
}
