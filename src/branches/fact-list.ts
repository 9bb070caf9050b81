import type { Conflict, Fact, FactName, Facts, FactTypes, Origin } from '../model/branch-facts.ts';

/** The facts from one origin. Undefined values count as absent. */
export type PlainFacts = { readonly [Name in FactName]?: FactTypes[Name] | undefined };

export interface Finding {
  readonly origin: Origin;
  readonly facts: PlainFacts;
}

/** Opinions and wordings: different values from two origins are not a conflict. */
const NEVER_IN_CONFLICT: ReadonlySet<FactName> = new Set([
  'description',
  'packing',
  'mix',
  'chatTemplate',
  'architecture',
  'method',
  'stopTokens',
  'license',
  'baseModel',
  'context',
  'dtype',
  'kvGroups',
]);

/** Merges findings, the most trusted first. The first value of a fact counts; later values that differ become conflicts. */
export function mergeFindings(findings: readonly Finding[]): { facts: Facts; conflicts: Conflict[] } {
  const facts: Partial<Record<FactName, Fact<unknown>>> = {};
  const conflicts: Conflict[] = [];
  for (const { origin, facts: found } of findings) {
    for (const [name, value] of Object.entries(found) as [FactName, unknown][]) {
      if (value === undefined) continue;
      const fact = { value, origin };
      const believed = facts[name];
      if (believed === undefined) facts[name] = fact;
      else if (!NEVER_IN_CONFLICT.has(name) && !same(name, believed.value, value)) {
        conflicts.push({ field: name, believed, other: fact });
      }
    }
  }
  return { facts: facts as Facts, conflicts };
}

/** The facts that have a value. */
export function withoutGaps(facts: PlainFacts): PlainFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

function same(name: FactName, left: unknown, right: unknown): boolean {
  if (typeof left === 'number' && typeof right === 'number') {
    // Names round 4.65 bits to 4_6, and a number of parameters to 7B.
    const tolerance = name === 'parameters' ? 0.25 * left : name === 'bits' && left % 1 !== 0 ? 0.1 : 1e-9;
    return Math.abs(left - right) <= tolerance;
  }
  return JSON.stringify(left) === JSON.stringify(right);
}
