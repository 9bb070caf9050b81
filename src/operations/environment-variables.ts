import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findToken } from '../source/hub/token.ts';
import { homeDirectory } from '../system/home-directory.ts';
import { isTrue } from '../system/hub-environment.ts';
import { readNetwork } from './network-settings.ts';
import type { HubOptions } from './options.ts';

/**
 * Options for the hub from environment variables and the token file of `hf auth login`, for a program that should
 * behave like `fetch`: `download({ ...readVariables(process.env), repo })`. Nothing else in the library reads them.
 *
 * Reads `HF_ENDPOINT`, `HF_TOKEN` and the other places of a token, `HF_HUB_OFFLINE`, the variables of proxies, and
 * the files with certificates. Throws USAGE for an invalid value, ACCESS for a token with invalid characters.
 */
export function readVariables(
  variables: Readonly<Record<string, string | undefined>>,
  home: string | undefined = homeDirectory(),
): HubOptions {
  return {
    endpoint: variables['HF_ENDPOINT']?.trim() || undefined,
    token: findToken({ flag: undefined, environment: variables, home, readFile: readIfThere, join }),
    offline: isTrue(variables['HF_HUB_OFFLINE']) || isTrue(variables['TRANSFORMERS_OFFLINE']),
    network: readNetwork({ variables, onlyHosts: undefined, readFile: readIfThere }),
  };
}

/** Undefined if it cannot be read. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
