import type { CommanderError } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../../../src/cli/options/program.ts';
import { usageError } from '../../../../src/cli/options/usage-error.ts';

async function refused(line: string): Promise<{ message: string; hint: string }> {
  const nothing = async () => {};
  const actions = {
    download: nothing,
    branches: nothing,
    cache: nothing,
    lock: nothing,
    serve: nothing,
    completion: nothing,
  };
  const program = createProgram(
    '1',
    { ...actions, config: nothing, doctor: nothing, verify: nothing },
    { out: () => {}, error: () => {} },
  );
  const words = line.split(' ').filter((word) => word !== '');
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    const { code, message, hint = '' } = usageError(error as CommanderError, words);
    expect(code).toBe('USAGE');
    return { message, hint };
  }
  throw new Error(`${line} was understood`);
}

/** What people type who come from other tools, and the word that has to be in the answer. */
test.each([
  ['-r -b --branch --rev --tag --commit', '--revision REV'],
  ['-o -d --output --dir --dest --output-dir --outputs --destination', '--local-dir DIR'],
  ['-j -j8 --jobs --threads --parallel --concurrency --workers', '--connections N'],
  ['--resume --continue -c', 'always resume'],
  ['--force -f --overwrite', '--force-download'],
  ['-v --debug --log-level', '--verbose'],
  ['--no-progress', '--progress none'],
  ['--silent', '--quiet'],
  ['--no-color', 'NO_COLOR'],
  ['--bwlimit --limit --max-speed', '--limit-rate RATE'],
  ['--proxy', 'HTTPS_PROXY'],
  ['--insecure -k', 'SSL_CERT_FILE'],
  ['-n', '--dry-run'],
  ['--max-retries --max-tries', '--retries N'],
  ['--local_dir', '--local-dir'],
  ['--dryrun', '--dry-run'],
  ['--verbos', '--verbose'],
  ['--loc', '--local-dir or --lock'],
])('%s: %s', async (options, answer) => {
  for (const option of options.split(' ')) {
    const { message, hint } = await refused(`o/n ${option} x`);
    expect(message).toBe(`unknown option '${option}'`);
    expect(hint).toContain(answer);
    expect(hint).toMatch(/See `fetch --help`\.$/);
  }
});

test.each([
  ['branches o/n --branch x', /--revision REV.* See `fetch branches --help`\.$/],
  [
    'branches o/n --output x',
    /no such option; a download has --local-dir DIR\. See `fetch branches --help`\.$/,
  ],
  ['branches', /^See `fetch branches --help`\.$/],
  ['verify d --qick', /Did you mean --quick\? See `fetch verify --help`\.$/],
  ['cache', /Choose one of ls, rm, verify\. See `fetch cache --help`\.$/],
  ['cache prune', /Did you mean fetch cache rm REPO@REV\?/],
  ['cache clean', /Did you mean fetch cache rm REPO\?/],
  ['cache du', /Did you mean fetch cache ls\?/],
  ['cache verfy o/n', /Did you mean fetch cache verify\?/],
  ['cache rm o/n --frce', /See `fetch cache rm --help`\.$/],
])('%s', async (line, answer) => {
  expect((await refused(line)).hint).toMatch(answer);
});
