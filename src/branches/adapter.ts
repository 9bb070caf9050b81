import type { JsonRecord } from '../model/json.ts';
import type { PlainFacts } from './fact-list.ts';
import { integerAt, textAt } from './json.ts';

/** `adapter_config.json` of peft: which model the weights are added to. */
export function readAdapterConfig(config: JsonRecord): PlainFacts {
  const type = textAt(config, 'peft_type', 20)?.toLowerCase() ?? 'lora';
  return {
    method: type === 'lora' ? type : 'adapter',
    baseModel: textAt(config, 'base_model_name_or_path'),
    adapterRank: integerAt(config, 'r', 1, 1e6),
  };
}

export function isAdapterMethod(method: string | undefined): boolean {
  return method === 'lora' || method === 'adapter';
}
