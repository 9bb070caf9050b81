import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderAll, type Setting } from './render.ts';
import type { SceneResult } from './run.ts';
import { checkTargets, type Target } from './targets.ts';

export interface Summary {
  readonly setting: Setting;
  readonly targets: readonly Target[];
  readonly scenes: readonly SceneResult[];
}

export function summarise(setting: Setting, scenes: readonly SceneResult[]): Summary {
  return { setting, targets: checkTargets(scenes, setting.shaInstructions), scenes };
}

/** Writes the file of this day and machine. */
export async function writeDay(directory: string, part: boolean, summary: Summary): Promise<void> {
  await mkdir(directory, { recursive: true });
  const host = summary.setting.host.replace(/[^\w.-]/g, '_');
  const name = `${summary.setting.date}-${host}${part ? '-part' : ''}.json`;
  await writeFile(join(directory, name), asJson(summary));
}

/** Writes what the documents refer to. */
export async function writeLatest(directory: string, summary: Summary): Promise<void> {
  const { setting, scenes, targets } = summary;
  await writeFile(join(directory, 'latest.json'), asJson(summary));
  await writeFile(join(directory, 'latest.md'), renderAll(setting, scenes, targets));
}

/** The scenes of this run beside those that `latest.json` has, in the order of `ids`. */
export async function addToLatest(
  directory: string,
  summary: Summary,
  ids: readonly string[],
): Promise<void> {
  const file = join(directory, 'latest.json');
  const before = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Summary) : undefined;
  const scenes = addScenes(before?.scenes ?? [], summary.scenes, ids);
  await writeLatest(directory, summarise({ ...summary.setting, command: 'npm run bench' }, scenes));
}

/** A scene that was measured again takes the place of the old one. */
export function addScenes(
  before: readonly SceneResult[],
  added: readonly SceneResult[],
  ids: readonly string[],
): SceneResult[] {
  const all = [...added, ...before];
  return ids.flatMap((id) => all.find((scene) => scene.id === id) ?? []);
}

function asJson(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}
