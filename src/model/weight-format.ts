import { isGguf, lastLabel, parseGgufName } from './gguf-name.ts';

/** Kinds of files that hold the weights of a model. `other` is everything else. */
export type WeightFormat =
  | 'safetensors'
  | 'consolidated'
  | 'gguf'
  | 'pytorch'
  | 'original'
  | 'onnx'
  | 'tensorflow'
  | 'flax'
  | 'rust'
  | 'openvino'
  | 'coreml'
  | 'ggml'
  | 'ctranslate2'
  | 'metal'
  | 'nemo'
  | 'litert'
  | 'executorch'
  | 'tensorrt'
  | 'paddle'
  | 'mlc'
  | 'mnn'
  | 'ncnn'
  | 'rknn'
  | 'qnn'
  | 'llamafile'
  | 'dduf'
  | 'npz'
  | 'other';

/**
 * The order of preference when the same weights come in several formats, for tables and for `--weights auto`: formats
 * that load without unpickling and with the fewest conversions come first.
 */
export const WEIGHT_PREFERENCE: readonly WeightFormat[] = [
  'safetensors',
  'consolidated',
  'gguf',
  'pytorch',
  'original',
  'ggml',
  'onnx',
];

/** Pickle formats: loading them can run code. */
export const PICKLE_FORMATS: readonly WeightFormat[] = ['pytorch', 'original'];

/** Files of trainers and tokenizers that have extensions of weights. */
const NOT_WEIGHTS =
  /^(training_args|trainer_state|optimizer|scheduler|rng_state.*|scaler|random_states.*|arguments)\.(bin|pt|pth|pkl)$/i;

/** Names that identify a format. A TensorFlow SavedModel is a directory. */
const BY_NAME: readonly (readonly [RegExp, WeightFormat])[] = [
  [/^openvino_.*\.(bin|xml)$/, 'openvino'],
  [
    /^(.*\.h5|saved_model\.pb|.*\.keras|variables\.data-\d+-of-\d+|model\.ckpt.*\.data-\d+-of-\d+)$/,
    'tensorflow',
  ],
  [/\.msgpack$/, 'flax'],
  [/\.ot$/, 'rust'],
  [/\.nemo$/, 'nemo'],
  [/\.(litertlm|tflite|task)$/, 'litert'],
  [/\.pte$/, 'executorch'],
  [/\.(engine|plan)$/, 'tensorrt'],
  [/\.npz$/, 'npz'],
  [/\.pd(iparams|params|model)$/, 'paddle'],
  [/^params_shard_\d+\.bin$/, 'mlc'],
  [/\.mnn(\.weight)?$/, 'mnn'],
  [/\.ncnn\.(bin|param)$/, 'ncnn'],
  [/\.rk(nn|llm)$/, 'rknn'],
  [/\.(dlc|serialized\.bin|qnn\.bin)$/, 'qnn'],
  [/\.llamafile$/, 'llamafile'],
  [/\.dduf$/, 'dduf'],
  [/^ggml.*\.bin$|\.ggml[^/]*\.bin$/, 'ggml'],
];

/** The format of the weights in a file, from its path. */
export function weightFormat(path: string): WeightFormat {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const lower = name.toLowerCase();
  if (isGguf(lower)) return 'gguf';
  if (/(^|\/)onnx\/|\.onnx([._]data.*)?$/i.test(path))
    return /\.onnx|\.bin$|[._]data/.test(lower) ? 'onnx' : 'other';
  if (/\.(mlpackage|mlmodelc)\/|\.mlmodel$/i.test(path)) return 'coreml';
  if (/^metal\/.*\.bin$/i.test(path)) return 'metal';
  if (/^original\//i.test(path)) return /\.(pth|pt|safetensors|bin)$/.test(lower) ? 'original' : 'other';
  const named = BY_NAME.find(([pattern]) => pattern.test(lower));
  if (named !== undefined) return named[1];
  if (lower.endsWith('.safetensors'))
    return lower.startsWith('consolidated') ? 'consolidated' : 'safetensors';
  if (NOT_WEIGHTS.test(lower)) return 'other';
  if (/\.(pth|pt|ckpt)$/.test(lower)) return 'pytorch';
  if (/^(pytorch_model|adapter_model|diffusion_pytorch_model|gptq_model|consolidated).*\.bin$/.test(lower))
    return 'pytorch';
  return lower === 'model.bin' ? 'ctranslate2' : 'other';
}

/** Small text files, whatever their names contain. */
const TEXT = /\.(md|txt|json|jsonl|ya?ml|toml|csv|log|py|sh|cfg|ini|jinja|html|sha256|sha256sums?|md5)$/i;

/** Whether a file is calibration data of a quantiser (imatrix), which programs that run the model do not read. */
export function isCalibration(path: string): boolean {
  if (isGguf(path)) return parseGgufName(path).role === 'matrix';
  const name = path.slice(path.lastIndexOf('/') + 1);
  return /imatrix/i.test(name) && !TEXT.test(name);
}

/**
 * Whether a file without known weights is downloaded with the quantisation `label`. Archives whose names contain a
 * GGUF file or another quantisation are not.
 */
export function goesWith(path: string, label: string | undefined): boolean {
  if (weightFormat(path) !== 'other' || isCalibration(path)) return false;
  if (TEXT.test(path)) return true;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (/\.gguf/i.test(name)) return false;
  const named = lastLabel(name);
  return named === undefined || named === label;
}
