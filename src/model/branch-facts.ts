import type { Digest } from './digest.ts';
import type { RepoRef } from './repo.ts';

/**
 * Where a fact was read. Files are trusted more than headers, headers more than the card (README.md), and the name of a
 * branch or file least. `tree` is the listing of the commit, `refs` the list of branches, `rule` is built-in
 * knowledge of a program, `computed` follows from other facts. `config blob` is the config of a manifest in a registry.
 */
export type Origin =
  | 'quantize_config.json'
  | 'config.json'
  | 'quant_config.json'
  | 'hf_quant_config.json'
  | 'adapter_config.json'
  | 'config blob'
  | 'template'
  | 'system'
  | 'params.json'
  | 'messages.json'
  | 'license'
  | 'chat_template.json'
  | 'generation_config.json'
  | 'tokenizer_config.json'
  | 'model.safetensors.index.json'
  | 'safetensors header'
  | 'gguf header'
  | 'tree'
  | 'refs'
  | 'card'
  | 'rule'
  | 'computed'
  | 'name';

/** Something that is known of a branch, and where it was read. */
export interface Fact<T> {
  /** In the unit that `FactTypes` names. */
  readonly value: T;
  /** Where it was read. */
  readonly origin: Origin;
}

/** All facts of the weights in a branch; `Facts` contains those that were found. */
export interface FactTypes {
  /** The name that the quantiser writes: `gptq`, `awq`, `exl2`, `modelopt`, `mlx`; `gguf`; `lora` for an adapter; `none`. */
  readonly method: string;
  /** Per weight; EXL2 has fractions. */
  readonly bits: number;
  /** All widths in ascending order, if modules differ. */
  readonly mixedBits: readonly number[];
  /** Weights that share a scale; `none` for one scale per column. */
  readonly groupSize: number | 'none';
  /** Whether columns were quantised in the order of their activations (`desc_act`). */
  readonly actOrder: boolean;
  /** Whether columns were ordered within groups, which needs no act order at run time (GPTQModel). */
  readonly actGroupAware: boolean;
  /** The fraction that GPTQ adds to the diagonal of the Hessian. */
  readonly damp: number;
  /** Whether the quantisation is symmetric. */
  readonly symmetric: boolean;
  /** The packing within the method: `gemm`, `nf4`, `e4m3`, `pack-quantized`, `gptq_v2`. */
  readonly packing: string;
  /** Bits of the output layer, if they differ (EXL2). */
  readonly headBits: number;
  /** The calibration dataset. */
  readonly dataset: string;
  /** Tokens per calibration sequence. */
  readonly sequenceLength: number;
  /** In words, from the card. */
  readonly description: string;
  /** Whether ExLlama loads it. */
  readonly exllama: boolean;
  /** `Q4_K_M`, `IQ2_XS`, `F16`. */
  readonly quantisation: string;
  /** Tensors by type: `193 Q4_K, 65 F32, 33 Q6_K`. */
  readonly mix: string;
  /** Bits, on average over all weights. */
  readonly bitsPerWeight: number;
  /** Parameters of the model, not elements of packed tensors. */
  readonly parameters: number;
  /** As the config of a manifest writes it: `47B`. */
  readonly parameterLabel: string;
  /** The format of the weights, as the config of a manifest names it: `gguf`, `safetensors`. */
  readonly format: string;
  /** The prompt template of Ollama, in the language of Go templates. */
  readonly template: string;
  /** The system prompt. */
  readonly system: string;
  /** Options of the model as JSON: `{"stop":["[INST]","[/INST]"]}`. */
  readonly params: string;
  /** Messages before the first one, as JSON. */
  readonly messages: string;
  /** The text of the licence, or of all of them. */
  readonly licenseText: string;
  /** Bytes of all tensors. */
  readonly tensorBytes: number;
  /** The type in which the model computes: `bfloat16`. */
  readonly dtype: string;
  /** As `config.json` or the header names it: `mistral`. */
  readonly architecture: string;
  /** Number of layers. */
  readonly layers: number;
  /** Attention heads. */
  readonly heads: number;
  /** Heads that keys and values have. */
  readonly kvHeads: number;
  /** Numbers per head. */
  readonly headSize: number;
  /** Tokens. */
  readonly context: number;
  /** Bytes per token of context, with 16-bit keys and values, before a window is full. */
  readonly kvBytesPerToken: number;
  /** The same, by kind of layer. */
  readonly kvGroups: readonly KvGroup[];
  /** Bits of keys and values that vLLM uses by default for the export, if not 16. */
  readonly kvCacheBits: number;
  /** A Jinja template. */
  readonly chatTemplate: string;
  /** Texts that end an answer. */
  readonly stopTokens: readonly string[];
  /** As the card names it: `apache-2.0`. */
  readonly license: string;
  /** Repository that this one was made from. */
  readonly baseModel: string;
  /** Of an adapter: the rank of its matrices. */
  readonly adapterRank: number;
}

/** Layers with the same keys and values. Layers without any are in no group. */
export interface KvGroup {
  readonly layers: number;
  /** Bytes of one token in one layer, in 16 bits. */
  readonly bytesPerToken: number;
  /** Tokens that such a layer keeps; undefined for all. */
  readonly window?: number;
  /** The window restarts at its end instead of sliding. */
  readonly chunked?: boolean;
  /** llama.cpp ignores the window and keeps the whole context. */
  readonly ignoredByLlama?: boolean;
}

export type FactName = keyof FactTypes;

/** By name; unknown facts are left out. */
export type Facts = { readonly [Name in FactName]?: Fact<FactTypes[Name]> };

/** Two origins with different values; `believed` is the more trusted one. */
export interface Conflict {
  /** Name of the fact. */
  readonly field: FactName;
  /** The value that counts. */
  readonly believed: Fact<unknown>;
  /** The value from the other origin. */
  readonly other: Fact<unknown>;
}

/** A file of a row, with its size. */
export interface RowFile {
  /** Relative to the root of the repository. Comes from a server: not trusted. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Undefined if the source gives none. */
  readonly digest: Digest | undefined;
}

/** The files of one download: a branch, or one quantisation of a branch with GGUF files. */
export interface BranchRow {
  /** `revision`: one that was requested by name, such as a commit. */
  readonly kind: 'branch' | 'tag' | 'revision';
  /** Name of the branch, tag or revision. */
  readonly revision: string;
  /** 40 lower-case hex digits; `sha256:…` for a tag in a registry. */
  readonly commit: string;
  /** Other tags of the same manifest. */
  readonly sameAs?: readonly string[];
  /** ISO date of the commit; undefined if it was not requested. */
  readonly date: string | undefined;
  /** The quantisation within the branch, as `REPO@REV:VARIANT` names it; undefined for the whole branch. */
  readonly variant: string | undefined;
  /** All files of the download. */
  readonly files: readonly RowFile[];
  /** Bytes of all files that would be downloaded. */
  readonly bytes: number;
  /** Bytes of the weights that a program loads together. */
  readonly weightBytes: number;
  /** Parts of the weights that the names announce and the branch lacks: then they cannot be loaded. */
  readonly missingParts?: number;
  /** Files of the main format that are not in `weightBytes`: copies of the same weights. */
  readonly otherCopies?: FormatShare | undefined;
  /** The formats of the weights; more than one means several copies of the same weights. */
  readonly formats: readonly FormatShare[];
  /** The known facts, by name. */
  readonly facts: Facts;
  /** Facts on which two origins disagree. */
  readonly conflicts: readonly Conflict[];
  /** Files that could not be read, each with the reason. */
  readonly problems: readonly string[];
}

/** The share of one weight format in a branch. */
export interface FormatShare {
  /** `safetensors`, `gguf`, `pytorch` and so on. */
  readonly format: string;
  /** Number of files. */
  readonly files: number;
  /** Bytes of these files. */
  readonly bytes: number;
}

/** The result of `listBranches`. */
export interface BranchTable {
  /** Under its current name on the Hub. */
  readonly repo: RepoRef;
  /** One for each branch, tag or quantisation. */
  readonly rows: readonly BranchRow[];
  /** Remarks about the whole table, for people. */
  readonly notes: readonly string[];
}

/** Whether a row fits into memory, with the sum. All sizes are bytes. */
export interface Fit {
  readonly weights: number;
  /** Keys and values of the whole context; undefined if the shape of the model is unknown. */
  readonly kvCache: number | undefined;
  /** The same for vLLM, if it differs by more than a tenth. */
  readonly kvCacheVllm?: number | undefined;
  readonly runtime: number;
  readonly total: number;
  readonly context: number;
  readonly memory: number;
  readonly fits: boolean;
  /** The reasons for its rank. */
  readonly reasons: readonly string[];
}

export interface RankedRow {
  readonly row: BranchRow;
  readonly fit: Fit;
}
