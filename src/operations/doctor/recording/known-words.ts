/**
 * Words of the refusals of hubs, storages and proxies. All other words of a text are removed: they may name a person, a
 * token or an address.
 */
const WORDS = new Set(
  `a able about accept accepted access account accountname after again against all allowed an and anonymous any api
  are as ask at auth authenticate authenticated authentication author authorised authorization authorized bad be
  because been before being block blocked body branch bucket by bytes cache can cannot cdn certificate check client
  closed cloudfront code commit configured connection content could credentials custom dataset day days denied
  disabled does doesnt domain download downloads due email empty enable enabled encountered enough entry error
  exceeded exist exists expired failed faster fetch file filter filtered find firewall for forbidden format found
  from full gated gateway get gone granted has have header headers higher hit host hour hours hub id if in
  incomplete incorrect internal invalid invalidaccesskeyid invalidrange is it its key larger length limit limited
  limits list locked log login logged long longer make malformed match message method minute minutes missing model
  moved must network no not now number object of off on only open operation or organization origin our out
  page pair parameter password path payment permission permissions please policy pro proxy query quota range ranges
  rate read redirect redirecting refused repo repository request requested requests require required requires
  resolve resolver resolvers resource response rest restricted retry revision satisfiable secure security see send
  sent server service set sign signature signatureerror signaturedoesnotmatch signed small space status storage
  subscribe such supported temporarily temporary terms than that the their there this time timeout to token tokens
  too try type unable unauthenticated unauthorized unavailable unexpected unknown unsupported upgrade upstream url
  use used user username using valid value version virus wait was we website web were window with within without
  sending hf hf_token enabling higher huggingface hugging face public private read-only readonly
  write wrong you your zscaler accessdenied expiredtoken requesttimetooskewed nosuchkey bytes=`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

const MAX_CHARACTERS = 400;

/** Replaces every unknown word with `…`. Numbers of up to four digits stay. */
export function knownWords(text: string): string {
  return text
    .slice(0, MAX_CHARACTERS)
    .replace(/<[^>]*>?/g, ' ')
    .replace(/[^\p{L}\p{N}'’=@._ :;,()!?-]+/gu, ' ')
    .replace(/[\p{L}\p{N}'’=@._-]+/gu, (word) => (isKnown(word) ? word : '…'))
    .replace(/…(?:[ :;,()!?]*…)+/g, '…')
    .replace(/ +/g, ' ')
    .trim();
}

export function isKnown(word: string): boolean {
  const plain = word.toLowerCase().replace(/['’]/g, '').replace(/[.]+$/, '');
  return WORDS.has(plain) || /^\d{1,4}$/.test(plain);
}
