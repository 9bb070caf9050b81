import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  scripts: Record<string, string>;
  bin: Record<string, string>;
  repository: unknown;
  bugs: unknown;
  homepage: unknown;
};
const nameOf = (specifier: string) => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0];

describe('what is installed beside this package', () => {
  test('is what the built program loads, no more and no less', async () => {
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints: [
        'dist/cli/main.js',
        'dist/index.js',
        ...filesIn('dist').filter((path) => path.endsWith('-worker.js')),
      ],
      outdir: 'build/never-written',
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
    });
    const loaded = Object.values(metafile.inputs)
      .flatMap(({ imports }) => imports.filter(({ external }) => external))
      .map(({ path }) => path)
      .filter((path) => !isBuiltin(path))
      .map(nameOf);
    expect(Array.from(new Set(loaded)).sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });

  test('the published types name nothing else either', () => {
    const bare = new Set<string>();
    const seen = new Set<string>();
    const walk = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, specifier = ''] of readFileSync(file, 'utf8').matchAll(
        /(?:from |import\()['"]([^'"]+)['"]/g,
      )) {
        if (specifier.startsWith('.')) walk(resolve(dirname(file), specifier.replace(/\.(js|ts)$/, '.d.ts')));
        else if (!isBuiltin(specifier)) bare.add(nameOf(specifier));
      }
    };
    walk(join(root, 'dist/index.d.ts'));
    expect(seen.size).toBeGreaterThan(20);
    // And no others are published.
    const published = filesIn('dist').filter((path) => path.endsWith('.d.ts'));
    expect(published.map((path) => join(root, path)).sort()).toEqual([...seen].sort());
    expect([...bare].filter((name) => !(name in manifest.dependencies))).toEqual([]);
  });

  test('what is bundled is named among the tools, has its licence in dist, and a line in README.md', () => {
    const bundled = Array.from(
      read('dist/LICENSES.txt').matchAll(/^((?:@[\w-]+\/)?[\w.-]+) \d+\.\d+\.\d+$/gm),
    )
      .map(([, name = '']) => name)
      .sort();
    const ours = ['@huggingface/gguf', '@huggingface/hub', 'cli-progress', 'commander', 'p-limit'];
    expect(bundled).toEqual(expect.arrayContaining(ours));
    const direct = bundled.filter((name) => name in manifest.devDependencies);
    const [, table = ''] = read('README.md').split('\n## What it depends on\n');
    const listed = Array.from(table.matchAll(/^\| `([^`]+)` \| (.{10,}) \|$/gm), ([, name]) => name);
    expect(listed.sort()).toEqual([...direct, ...Object.keys(manifest.dependencies)].sort());
  });

  test('SECURITY.md has the number', () => {
    const count = Object.keys(manifest.dependencies).length;
    const words = count === 0 ? 'no package beside this one' : `${count} packages beside this one`;
    expect(read('SECURITY.md').replaceAll('\n', ' ')).toContain(`${words} at run time`);
    const atInstallation = ['preinstall', 'install', 'postinstall'].filter(
      (name) => name in manifest.scripts,
    );
    expect(atInstallation).toEqual([]);
  });
});

describe('package.json', () => {
  test('has the version; what else names one follows it', () => {
    const { version } = manifest;
    expect(read('package-lock.json')).toContain(`"name": "hub-fetch",\n  "version": "${version}"`);
    expect(read('src/model/version.ts')).not.toMatch(/'\d+\.\d+\.[1-9]\d*'|'[1-9]|'0\.[1-9]/);
    for (const path of ['README.md', 'fetch.1', ...filesIn('docs')])
      for (const [, named] of read(path).matchAll(/\bfetch (\d+\.\d+\.\d+)\b/g))
        expect(named, path).toBe(version);
    expect(read('CHANGELOG.md')).toMatch(new RegExp(`^## ${version.replaceAll('.', '\\.')}\\b`, 'm'));
  });

  test('says where the project is, without an address that leads nowhere', () => {
    for (const field of ['repository', 'bugs', 'homepage'] as const) {
      expect(manifest[field], field).toBeDefined();
      expect(JSON.stringify(manifest[field]), field).not.toMatch(/https?:|git:|@|:\/\//);
    }
    const files = JSON.stringify([manifest.bugs, manifest.homepage]).matchAll(/file:([^"]+)/g);
    for (const [, path = ''] of files) expect(existsSync(join(root, path)), path).toBe(true);
  });

  test('the command has two names', () => {
    expect(manifest.bin).toEqual({ fetch: './dist/cli/main.js', 'hub-fetch': './dist/cli/main.js' });
  });
});

// An unregistered name can be registered by anyone, who then receives the tokens of programs run by that name.
test('nothing of ours runs or installs the package by its name, which is not registered', () => {
  const files = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'action.yml',
    'Dockerfile',
    'fetch.1',
    ...filesIn('examples'),
    ...filesIn('.github/workflows'),
    ...filesIn('src'),
    ...filesIn('docs'),
  ];
  const runs =
    /\b(npx|npm (?:exec|x|install|i|add)|pnpm (?:dlx|add)|yarn (?:dlx|add)|bunx)\b(?=[^\n]*\bhub-fetch(?!-\d|[-\w./]*\.tgz))/;
  const lines = files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line) => (runs.test(line) ? [`${file}: ${line.trim()}`] : [])),
  );
  expect(lines).toEqual([]);
  expect(runs.test('npx --yes hub-fetch@0.1.0')).toBe(true);
  expect(runs.test('npm install -g hub-fetch')).toBe(true);
  expect(read('README.md')).toContain('not published');
});

/** Paths from the root of all files below a directory. */
function filesIn(directory: string): string[] {
  if (!existsSync(join(root, directory))) return [];
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}
