import { createEnvironment } from '../../operations/create-environment.ts';
import type { Environment } from '../../system/environment.ts';

/** The real world, and in the user agent what huggingface_hub would put there as well. */
export function processEnvironment(): Environment {
  const origin = process.env['HF_HUB_USER_AGENT_ORIGIN'];
  return createEnvironment({ client: origin ? `origin/${origin}` : undefined });
}
