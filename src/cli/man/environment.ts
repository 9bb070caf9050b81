/** What the program reads from the environment, for the man page. docs/cli.md has the same names, and a test compares. */
export const ENVIRONMENT: readonly (readonly [names: readonly string[], meaning: string])[] = [
  [['HF_ENDPOINT'], 'the hub, see --endpoint'],
  [['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'], 'the token, in this order'],
  [['HF_TOKEN_PATH'], 'the file that holds the token, if no variable does'],
  [['HF_HUB_DISABLE_IMPLICIT_TOKEN'], '1, on, yes or true: only --token counts'],
  [['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE'], 'the central cache, in this order; else hub in HF_HOME'],
  [['HF_HOME', 'XDG_CACHE_HOME'], 'where the token file and the central cache are, if nothing else says it'],
  [['HF_HUB_DISABLE_SYMLINKS'], '1, on, yes or true: files instead of links in the central cache'],
  [['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'], '1, on, yes or true: like --offline'],
  [['HF_HUB_DOWNLOAD_TIMEOUT', 'HF_HUB_ETAG_TIMEOUT'], 'seconds of silence before a connection is given up'],
  [['HF_HUB_DISABLE_PROGRESS_BARS'], 'true: like --progress none'],
  [['HF_HUB_VERBOSITY', 'HF_DEBUG'], 'more words or fewer: like --verbose or --quiet'],
  [['HF_HUB_USER_AGENT_ORIGIN'], 'appended to the User-Agent'],
  [['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'], 'proxies, and what is reached without one'],
  [
    ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'],
    'files with certificates of further authorities',
  ],
  [['NODE_TLS_REJECT_UNAUTHORIZED'], '0: certificates are not checked, and every run says so'],
  [['XDG_CONFIG_HOME'], 'where fetch/config.json of the user lies, instead of ~/.config'],
  [
    ['JOB_COMPLETION_INDEX', 'SLURM_ARRAY_TASK_ID', 'SLURM_ARRAY_TASK_MIN', 'SLURM_ARRAY_TASK_COUNT'],
    'which part --shard auto is',
  ],
  [['COLUMNS'], 'width of tables where there is no terminal'],
  [['NO_COLOR', 'TERM', 'CI'], 'plain lines instead of bars: if set, if dumb, if set'],
  [['FETCH_TRANSPORT'], 'core or raw instead of auto: which code carries the bytes'],
];
