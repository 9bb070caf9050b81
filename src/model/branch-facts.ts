import type { Digest } from './digest.ts';
import type { RepoRef } from './repo.ts';

/**
 * Where a fact was read. Files come before headers, headers before the card (README.md), and the name of a
 * branch or file is believed last. `tree` is the listing of the commit, `refs` the list of branches, `rule` is our own
 * knowledge of a program, `computed` follows from other facts.
 */
export type Origin =
  | 'quantize_config.json'
  | 'config.json'
  | 'quant_config.json'
  | 'hf_quant_config.json'
  | 'adapter_config.json'
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

/** What can be known of the weights in a branch. Everything is optional: only what was found is there. */
export interface FactTypes {
  /** As the quantiser calls itself: `gptq`, `awq`, `exl2`, `modelopt`, `mlx`; `gguf`; `lora` for an adapter; `none`. */
  readonly method: string;
  /** Per weight; EXL2 has fractions. */
  readonly bits: number;
  /** Every width that occurs, ascending, where modules differ. */
  readonly mixedBits: readonly number[];
  /** Weights that share a scale; `none` for one scale per column. */
  readonly groupSize: number | 'none';
  /** Whether columns were quantised in the order of their activations (`desc_act`). */
  readonly actOrder: boolean;
  /** Whether columns were ordered within groups, which needs no act order when it runs (GPTQModel). */
  readonly actGroupAware: boolean;
  /** The fraction that GPTQ adds to the diagonal. */
  readonly damp: number;
  /** Whether the quantisation is symmetric. */
  readonly symmetric: boolean;
  /** The packing within the method: `gemm`, `nf4`, `e4m3`, `pack-quantized`, `gptq_v2`. */
  readonly packing: string;
  /** Bits of the output layer, where EXL2 gives it its own. */
  readonly headBits: number;
  /** What it was calibrated with. */
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
  /** Of the model, not of packed tensors. */
  readonly parameters: number;
  /** Bytes of all tensors. */
  readonly tensorBytes: number;
  /** What the model computes in: `bfloat16`. */
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
  /** Bytes that one token of context takes, with 16-bit keys and values, before a window is full. */
  readonly kvBytesPerToken: number;
  /** The same by kinds of layers. */
  readonly kvGroups: readonly KvGroup[];
  /** Bits in which vLLM keeps keys and values of such an export by itself, where they are not 16. */
  readonly kvCacheBits: number;
  /** A Jinja template. */
  readonly chatTemplate: string;
  /** Texts that end an answer. */
  readonly stopTokens: readonly string[];
  /** As the card names it: `apache-2.0`. */
  readonly license: string;
  /** Repository that this one was made from. */
  readonly baseModel: string;
  /** Of an adapter: the size of its matrices between. */
  readonly adapterRank: number;
}

/** Layers that keep keys and values alike. Layers that keep none are in no group. */
export interface KvGroup {
  readonly layers: number;
  /** Bytes of one token in one layer, in 16 bits. */
  readonly bytesPerToken: number;
  /** Tokens that such a layer looks back on; all of them where it is not there. */
  readonly window?: number;
  /** The window begins anew at its end. */
  readonly chunked?: boolean;
  /** llama.cpp keeps the whole context all the same. */
  readonly ignoredByLlama?: boolean;
}

export type FactName = keyof FactTypes;

/** By name; what is not known is left out. */
export type Facts = { readonly [Name in FactName]?: Fact<FactTypes[Name]> };

/** Two places say different things; the first is the one that is believed. */
export interface Conflict {
  /** Name of the fact. */
  readonly field: FactName;
  /** What counts. */
  readonly believed: Fact<unknown>;
  /** What another place says. */
  readonly other: Fact<unknown>;
}

/** A file of a row, with bytes. */
export interface RowFile {
  /** Relative to the root of the repository. Comes from a server: not trusted. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Undefined where the hub gives none. */
  readonly digest: Digest | undefined;
}

/** What one command would download: a branch, or one quantisation of a branch with GGUF files. */
export interface BranchRow {
  /** `revision` stands for one that was asked for by name, such as a commit. */
  readonly kind: 'branch' | 'tag' | 'revision';
  /** Name of the branch, tag or revision. */
  readonly revision: string;
  /** 40 lower-case hex digits. */
  readonly commit: string;
  /** ISO date of the commit; undefined where it was not asked for. */
  readonly date: string | undefined;
  /** The quantisation within the branch, as `REPO@REV:VARIANT` names it; undefined for the whole branch. */
  readonly variant: string | undefined;
  /** All files of the download. */
  readonly files: readonly RowFile[];
  /** Bytes of all files that would be downloaded. */
  readonly bytes: number;
  /** Bytes of those that hold weights that a program would load together. */
  readonly weightBytes: number;
  /** Parts of the weights that the names announce and the branch lacks: such weights cannot be loaded. */
  readonly missingParts?: number;
  /** Files of the format that counts which are not in `weightBytes`: copies of the same weights. */
  readonly otherCopies?: FormatShare | undefined;
  /** The kinds of weights that are there; more than one means that the same weights come more than once. */
  readonly formats: readonly FormatShare[];
  /** What is known of the weights, by name. */
  readonly facts: Facts;
  /** Where two sources disagree. */
  readonly conflicts: readonly Conflict[];
  /** What could not be read, and why. */
  readonly problems: readonly string[];
}

/** What one format of weights takes of a branch. */
export interface FormatShare {
  /** `safetensors`, `gguf`, `pytorch` and so on. */
  readonly format: string;
  /** Number of files. */
  readonly files: number;
  /** Bytes of all of them. */
  readonly bytes: number;
}

/** What `listBranches` gives. */
export interface BranchTable {
  /** Under the name that the hub itself uses. */
  readonly repo: RepoRef;
  /** One for each branch, tag or quantisation. */
  readonly rows: readonly BranchRow[];
  /** About the whole table, for people. */
  readonly notes: readonly string[];
}

/** Whether a row fits into memory, and the sum that says so. All sizes are bytes. */
export interface Fit {
  readonly weights: number;
  /** Keys and values of the whole context; undefined where the shape of the model is not known. */
  readonly kvCache: number | undefined;
  /** What vLLM keeps in its place, where that differs by more than a tenth. */
  readonly kvCacheVllm?: number | undefined;
  readonly runtime: number;
  readonly total: number;
  readonly context: number;
  readonly memory: number;
  readonly fits: boolean;
  /** Why it stands where it stands in the ranking. */
  readonly reasons: readonly string[];
}

export interface RankedRow {
  readonly row: BranchRow;
  readonly fit: Fit;
}
