/** The form in which Xet writes 32 bytes: four numbers of 64 bits, little-endian, as 16 hex digits each. */
export function hashText(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < 32; at += 8) text += bytes.readBigUInt64LE(at).toString(16).padStart(16, '0');
  return text;
}
