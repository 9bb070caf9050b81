import { createEnvironment } from '../api/create-environment.ts';
import type { Environment } from '../library/environment.ts';

/** The real world, and in the user agent what huggingface_hub would put there as well. */
export function processEnvironment(): Environment {
  const origin = process.env['HF_HUB_USER_AGENT_ORIGIN'];
  return createEnvironment({ client: origin ? `origin/${origin}` : undefined });
}
