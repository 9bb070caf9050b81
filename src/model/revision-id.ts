/** Digests are shown with 12 digits, as registries do. */
const DIGEST_DIGITS = 12;
const COMMIT_DIGITS = 7;
/** What a revision can be pinned to: a commit of git, or the digest of a manifest. */
const REVISION_ID = /^(?:[0-9a-f]{40}|sha256:[0-9a-f]{64})$/;

/** Whether a text from a file or a server can be the id of a revision. It is then also safe as a part of a path. */
export function isRevisionId(text: string | undefined): text is string {
  return text !== undefined && REVISION_ID.test(text);
}

/** The id of a revision as people read it: `0123456` of a commit, `sha256:0123456789ab` of a digest. */
export function shortId(id: string): string {
  const digits = id.startsWith('sha256:') ? 'sha256:'.length + DIGEST_DIGITS : COMMIT_DIGITS;
  return id.slice(0, digits);
}

/** Whether a name may be a commit or the beginning of one: 7 to 40 hex digits, as git abbreviates. */
export function mayBeCommit(name: string): boolean {
  return /^[0-9a-f]{7,40}$/.test(name);
}

/** Whether a name is the id of a revision, or an abbreviation of its commit. */
export function namesRevision(name: string, id: string): boolean {
  return name === id || (mayBeCommit(name) && id.startsWith(name));
}
