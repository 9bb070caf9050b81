import { proxyName } from '../../http/proxy.ts';
import { printable } from '../../model/format.ts';
import { safeJson } from '../../report/progress/json-reporter.ts';
import { layOut } from '../../report/tables/text-table.ts';
import { type Access, parseAccess } from '../options/read-access.ts';
import type { DownloadOptions, Setting } from '../options/settings.ts';
import { fail } from '../process/report-failure.ts';
import { tableColumns, writeOut } from '../process/standard-output.ts';

export interface ConfigCommand {
  readonly options: DownloadOptions;
  /** The options as written, before variables are applied: shows where `verbose` and `quiet` come from. */
  readonly written: DownloadOptions;
}

type Row = readonly [name: string, value: string | number | boolean | null, origin: string];

/** `fetch config`: the settings that a command would use, and the origin of each. Prints no secret. */
export function runConfig({ options, written }: ConfigCommand): number {
  let access: Access;
  try {
    access = parseAccess(options);
  } catch (thrown) {
    return fail(thrown, { verbose: false, json: options.json });
  }
  const rows = [...settingRows(access), ...networkRows(access), ...verbosityRows(options, written)];
  const files = access.layers.map((layer) => layer.path);
  if (options.json === true) {
    const settings = Object.fromEntries(rows.map(([name, value, origin]) => [name, { value, origin }]));
    writeOut(`${safeJson({ v: 1, files, settings }, 2)}\n`);
    return 0;
  }
  for (const note of access.notes) process.stderr.write(`fetch: ${note}\n`);
  const column = (rank: number, texts: readonly string[], leastWidth?: number) =>
    ({ head: '', rank, align: 'left', texts: texts.map(printable), leastWidth }) as const;
  const table = [
    column(
      0,
      rows.map(([name]) => name),
    ),
    column(
      1,
      rows.map(([, value]) => String(value ?? '-')),
      20,
    ),
    column(
      2,
      rows.map(([, , origin]) => origin),
      14,
    ),
  ];
  const lines = layOut(table, tableColumns()).slice(1);
  writeOut(lines.map((line) => `${line}\n`).join(''));
  return 0;
}

function settingRows({ settings, token }: Access): Row[] {
  const row = <T extends string | number | boolean>(
    name: string,
    { value, origin }: Setting<T | undefined>,
  ): Row => [name, value ?? null, origin];
  const inSeconds = (name: string, { value, origin }: Setting<number | undefined>): Row => [
    name,
    value === undefined ? null : value / 1000,
    origin,
  ];
  return [
    row('endpoint', settings.endpoint),
    ['token', token === undefined ? null : '(set)', token?.origin ?? 'default'],
    row('directory', settings.directory),
    row('connections', settings.connections),
    row('limitRate', settings.bytesPerSecond),
    row('retries', settings.retries),
    inSeconds('stallTimeout', settings.stallTimeoutMs),
    inSeconds('hubTimeout', settings.hubTimeoutMs),
    inSeconds('timeout', settings.timeoutMs),
    row('protocol', settings.protocol),
    row('progress', settings.progress),
    row('offline', settings.offline),
    row('onlyHosts', settings.onlyHosts),
    row('transport', settings.transport),
  ];
}

function networkRows({ transfer: { network } }: Access): Row[] {
  const proxies = [
    ['httpsProxy', network?.httpsProxy],
    ['httpProxy', network?.httpProxy],
  ] as const;
  const certificates = network?.certificates.length ?? 0;
  return [
    ...proxies.map(
      ([name, proxy]): Row => [name, proxy ? proxyName(proxy) : null, proxy?.origin ?? 'default'],
    ),
    ['noProxy', network?.noProxy || null, network?.noProxy ? 'NO_PROXY' : 'default'],
    ['certificates', certificates, certificates > 0 ? 'SSL_CERT_FILE and the like' : 'default'],
  ];
}

function verbosityRows(options: DownloadOptions, written: DownloadOptions): Row[] {
  return (['verbose', 'quiet'] as const).map((name): Row => {
    const origin =
      written[name] !== undefined ? `--${name}` : options[name] ? 'HF_HUB_VERBOSITY or HF_DEBUG' : 'default';
    return [name, options[name] ?? false, origin];
  });
}
