/**
 * The instructions of a Dockerfile in order, each with the stage that it belongs to: comments are left out, lines that
 * go on are joined, and values of ARG are put in. Plain JavaScript, for scripts that run before anything is built.
 */
export function readDockerfile(text) {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  let stage = -1;
  const values = new Map();
  return lines.map((line) => {
    const [, word = '', written = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (word === 'FROM') stage += 1;
    if (word === 'ARG') values.set(...written.split('='));
    const rest =
      word === 'FROM' ? written.replaceAll(/\$\{(\w+)\}/g, (_, name) => values.get(name)) : written;
    return { stage, word, rest };
  });
}
