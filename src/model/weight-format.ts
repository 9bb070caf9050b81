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
  | 'openvino'
  | 'coreml'
  | 'ggml'
  | 'ctranslate2'
  | 'other';

/** Formats that are unpickled when they are loaded: they may run code. */
export const PICKLE_FORMATS: readonly WeightFormat[] = ['pytorch', 'original'];

/** What trainers and tokenizers leave behind under the endings of weights. */
const NOT_WEIGHTS =
  /^(training_args|trainer_state|optimizer|scheduler|rng_state.*|scaler|random_states.*|arguments)\.(bin|pt|pth|pkl)$/i;

/** What the path of a file says about the weights in it. */
export function weightFormat(path: string): WeightFormat {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const lower = name.toLowerCase();
  if (/\.gguf(-split-[a-z]+)?$/.test(lower)) return 'gguf';
  if (/(^|\/)onnx\/|\.onnx(_data.*)?$/i.test(path))
    return /\.onnx|\.bin$|_data/.test(lower) ? 'onnx' : 'other';
  if (/\.mlpackage\/|\.mlmodel$/i.test(path)) return 'coreml';
  if (/^original\//i.test(path)) return /\.(pth|pt|safetensors|bin)$/.test(lower) ? 'original' : 'other';
  if (lower.endsWith('.safetensors'))
    return lower.startsWith('consolidated') ? 'consolidated' : 'safetensors';
  if (/^openvino_.*\.(bin|xml)$/.test(lower)) return 'openvino';
  if (/^(tf_model.*\.h5|.*\.tflite|saved_model\.pb)$/.test(lower)) return 'tensorflow';
  if (/\.msgpack$/.test(lower)) return 'flax';
  if (/^ggml.*\.bin$|\.ggml[^/]*\.bin$/.test(lower)) return 'ggml';
  if (NOT_WEIGHTS.test(lower)) return 'other';
  if (/\.(pth|pt|ckpt)$/.test(lower)) return 'pytorch';
  if (/^(pytorch_model|adapter_model|diffusion_pytorch_model|gptq_model|consolidated).*\.bin$/.test(lower))
    return 'pytorch';
  return lower === 'model.bin' ? 'ctranslate2' : 'other';
}
