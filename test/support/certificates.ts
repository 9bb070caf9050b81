import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  readonly ca: string;
  readonly caPath: string;
  /** A key and a certificate that the authority has signed for these names. */
  issue(altNames: string): { readonly key: string; readonly cert: string };
}

/** An authority of its own. Undefined where there is no openssl. */
export function makeCertificates(directory: string): Certificates | undefined {
  const at = (name: string) => join(directory, name);
  const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'ignore', cwd: directory });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  try {
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=test authority',
      '-days',
      '2',
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let issued = 0;
  return {
    ca: readFileSync(at('ca.pem'), 'utf8'),
    caPath: at('ca.pem'),
    issue(altNames) {
      const name = `leaf${issued++}`;
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=leaf');
      writeFileSync(at(`${name}.ext`), `subjectAltName=${altNames}\n`);
      const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        ...by,
        '-out',
        `${name}.pem`,
        '-days',
        '2',
        '-extfile',
        `${name}.ext`,
      );
      return { key: readFileSync(at(`${name}.key`), 'utf8'), cert: readFileSync(at(`${name}.pem`), 'utf8') };
    },
  };
}
