import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Command } from '../command.ts';

const run = promisify(execFile);

/** The official client: its interpreter, and a directory of its own for what it remembers. */
export interface HfXet {
  readonly python: string;
  readonly home: string;
}

/** An API that it speaks to. */
export interface XetEndpoint {
  readonly url: string;
  readonly token?: { readonly accessToken: string; readonly expires: number };
}

export interface UploadedFile {
  readonly path: string;
  readonly xetHash: string;
  readonly size: number;
  readonly sha256: string;
}

const UPLOAD = `
import hf_xet, json, sys
given = json.loads(sys.argv[1])
session = hf_xet.XetSession()
for path in given['paths']:
    commit = session.new_upload_commit(endpoint=given['url'], **given['token'])
    handle = commit.start_upload_file(path)
    commit.wait_to_finish()
    info = handle.result().xet_info
    print(json.dumps({'path': path, 'xetHash': info.hash, 'size': info.file_size, 'sha256': info.sha256}))
`;

const DOWNLOAD = `
import hf_xet, json, sys
given = json.loads(sys.argv[1])
session = hf_xet.XetSession()
group = session.new_file_download_group(endpoint=given['url'], **given['token'])
for one in given['files']:
    group.start_download_file(hf_xet.XetFileInfo(one['xetHash'], one['size']), one['path'])
group.wait_to_finish()
`;

/** Uploads files one commit after the other, so that a later one finds the chunks of an earlier one. */
export async function uploadFiles(
  client: HfXet,
  endpoint: XetEndpoint,
  paths: readonly string[],
): Promise<UploadedFile[]> {
  const output = await python(client, UPLOAD, { ...given(endpoint), paths });
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as UploadedFile);
}

export async function downloadFiles(
  client: HfXet,
  endpoint: XetEndpoint,
  files: readonly Pick<UploadedFile, 'path' | 'xetHash' | 'size'>[],
): Promise<void> {
  await python(client, DOWNLOAD, { ...given(endpoint), files });
}

/** The same for callers that run it themselves. */
export function downloadCommand(
  client: HfXet,
  endpoint: XetEndpoint,
  files: readonly Pick<UploadedFile, 'path' | 'xetHash' | 'size'>[],
): Command {
  return commandOf(client, DOWNLOAD, { ...given(endpoint), files });
}

function given({ url, token }: XetEndpoint): object {
  const words =
    token === undefined ? {} : { token: token.accessToken, token_expiry_unix_secs: token.expires };
  return { url, token: words };
}

async function python(client: HfXet, text: string, input: unknown): Promise<string> {
  const { argv, env } = commandOf(client, text, input);
  const [program = '', ...words] = argv;
  const { stdout } = await run(program, words, { env, maxBuffer: 16 << 20 });
  return stdout;
}

function commandOf({ python: program, home }: HfXet, text: string, input: unknown): Command {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    HF_HOME: home,
    NO_PROXY: '127.0.0.1',
    HF_XET_TELEMETRY_ENABLED: '0',
  };
  return { argv: [program, '-c', text, JSON.stringify(input)], env };
}
