import { createEnvironment } from '../../operations/create-environment.ts';
import type { Environment } from '../../system/environment.ts';

/** The environment of this process. The user agent names the origin that huggingface_hub would name. */
export function processEnvironment(): Environment {
  const origin = process.env['HF_HUB_USER_AGENT_ORIGIN'];
  return createEnvironment({ client: origin ? `origin/${origin}` : undefined });
}
