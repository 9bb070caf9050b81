/** What the Hub tells in a header, `TOPIC; MESSAGE`, as its own client reads it; a topic may be missing. */
export function* serverWarnings(
  header: string | string[] | undefined,
): Generator<{ readonly topic: string; readonly message: string }> {
  for (const line of [header ?? []].flat()) {
    const separator = line.indexOf(';');
    const topic = line.slice(0, Math.max(0, separator)).trim().slice(0, 100);
    const words = line.slice(separator + 1).trim();
    const message = words.replace(/^warning:\s*/i, '').slice(0, 300);
    if (message !== '') yield { topic, message };
  }
}
