/** The compiled hub with what `windows.mjs` asks of it. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export async function startWindowsHub(root) {
  const part = (name) => import(pathToFileURL(join(root, 'build/hub', name)).href);
  const { startHub } = await part('hub.js');
  const { compareWithTruth } = await part('compare.js');
  const { generated } = await part('content/content.js');
  const { mistralGptq } = await part('fixtures/mistral-gptq.js');
  const { gitFile, xetFile } = await part('repositories/file.js');
  const text = (path) => gitFile(path, `content of ${path}\n`);
  const deep = Array.from({ length: 4 }, (_, index) => `${'folder-of-a-long-name-'.repeat(3)}${index}`);
  const hub = await startHub({
    repositories: [
      mistralGptq({ scale: 0.0005 }),
      { id: 'tests/big', branches: { main: [xetFile('model.bin', generated('windows', 24_000_000))] } },
      {
        id: 'tests/reserved',
        branches: {
          main: [
            'plain.txt',
            'console.txt',
            'CON',
            'aux.txt',
            'directory/nul.json',
            'dot.',
            'q?.txt',
            'a:b',
          ].map(text),
        },
      },
      { id: 'tests/case', branches: { main: ['README.md', 'Readme.md'].map(text) } },
      {
        id: 'tests/long',
        branches: {
          main: [
            text(`${deep.join('/')}/config.json`),
            xetFile(`${deep.join('/')}/model.bin`, generated('long', 3_000_000)),
          ],
        },
      },
    ],
  });
  return {
    hub,
    compare: compareWithTruth,
    truth: (repo, revision) => hub.truth(repo, revision),
    reset: () => {
      hub.log.clear();
      hub.settings.bytesPerSecond = undefined;
    },
  };
}
