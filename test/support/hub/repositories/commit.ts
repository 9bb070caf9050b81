import { sha1Text } from '../content/digest.ts';
import type { HubFile } from './file.ts';

/** A state of a repository. Never changes; branches move from one to the next. */
export interface Commit {
  /** 40 hex digits. */
  readonly id: string;
  readonly title: string;
  readonly date: Date;
  readonly files: ReadonlyMap<string, HubFile>;
  /** Every directory that holds something, with the id that git would give it (here: any stable one). */
  readonly directories: ReadonlyMap<string, string>;
}

export function makeCommit(repository: string, sequence: number, files: readonly HubFile[]): Commit {
  const content = files.map((file) => `${file.path}\0${file.storage}\0${file.content.key}`).sort();
  return {
    id: sha1Text(`commit ${repository} ${sequence}\n${content.join('\n')}`),
    title: `Commit ${sequence} of ${repository}`,
    date: new Date(Date.UTC(2023, 8, 28, 12, 0, sequence)),
    files: new Map(files.map((file) => [file.path, file])),
    directories: directoriesOf(files),
  };
}

function directoriesOf(files: readonly HubFile[]): Map<string, string> {
  const inside = new Map<string, string[]>();
  for (const file of files) {
    const segments = file.path.split('/');
    for (let depth = 1; depth < segments.length; depth += 1) {
      const directory = segments.slice(0, depth).join('/');
      const names = inside.get(directory) ?? [];
      names.push(`${file.path}\0${file.content.key}`);
      inside.set(directory, names);
    }
  }
  return new Map(
    [...inside].map(([directory, names]) => [directory, sha1Text(`tree ${names.sort().join('\n')}`)]),
  );
}
