import { setTimeout as sleep } from 'node:timers/promises';
import type { Exchange, Transmission } from './exchange.ts';

/** Between two writes of a slowed connection. */
const TICK_MS = 20;

/** Sends a transmission. Returns when the last byte was handed to the system or the client has gone. */
export async function transmit(transmission: Transmission, exchange: Exchange): Promise<void> {
  const { reply, cut } = transmission;
  const { response, entry } = exchange;
  if (transmission.delayMs > 0) await sleep(transmission.delayMs);
  if (response.destroyed) return;
  if (cut?.at === 'before-head') return endEarly(exchange, cut.ending);

  if (transmission.raw !== undefined) {
    exchange.request.socket.end(transmission.raw);
    return;
  }
  if (transmission.interim) response.writeProcessing();
  entry.status = reply.status;
  if (transmission.closeAfter === 'announced') response.shouldKeepAlive = false;
  if (transmission.closeAfter === 'silently') {
    const { socket } = exchange.request;
    response.once('finish', () => socket.end());
  }
  response.writeHead(reply.status, { ...reply.headers });
  if (exchange.request.method === 'HEAD') {
    response.end();
    return;
  }
  // A small whole answer leaves in one piece, head and body together.
  const sentAtOnce = cut === undefined && reply.end - reply.start < 1 << 16;
  if (!sentAtOnce) response.flushHeaders();

  const limit = cut === undefined ? Number.POSITIVE_INFINITY : cut.at;
  const arrived = await sendBody(transmission, exchange, limit);
  if (!arrived) return;
  // A body shorter than the cut is whole: its connection stays as good as any.
  if (cut === undefined || reply.end - reply.start < limit) response.end();
  else await endEarly(exchange, cut.ending);
}

/** False when the client has gone. */
async function sendBody(transmission: Transmission, exchange: Exchange, limit: number): Promise<boolean> {
  const { reply, flips } = transmission;
  const began = performance.now();
  let sent = 0;
  let due = 0;
  for await (const piece of reply.content.read(reply.start, reply.end)) {
    const offset = reply.start + sent;
    const whole = flipped(piece, offset, flips);
    const allowed = whole.subarray(0, Math.max(limit - sent, 0));
    for (let at = 0; at < allowed.length; ) {
      const rate = rateOf(transmission);
      const slice = rate === undefined ? allowed.subarray(at) : allowed.subarray(at, at + stepOf(rate));
      if (!(await write(exchange, slice))) return false;
      at += slice.length;
      sent += slice.length;
      const passed = performance.now() - began;
      due = rate === undefined ? passed : due + (slice.length / rate) * 1000;
      if (due > passed) await sleep(due - passed);
    }
    if (sent >= limit) break;
  }
  return true;
}

/** It may change while the body is on its way. */
function rateOf({ bytesPerSecond, allowance }: Transmission): number | undefined {
  const rates = [bytesPerSecond, allowance()].filter((rate) => rate !== undefined);
  return rates.length === 0 ? undefined : Math.min(...rates);
}

function stepOf(bytesPerSecond: number): number {
  return Math.max(Math.ceil((bytesPerSecond * TICK_MS) / 1000), 1);
}

function flipped(piece: Buffer, offset: number, flips: Transmission['flips']): Buffer {
  const inside = flips.filter((flip) => flip.offset >= offset && flip.offset < offset + piece.length);
  if (inside.length === 0) return piece;
  // Pieces are views of shared memory: never change them in place.
  const copy = Buffer.from(piece);
  for (const flip of inside) copy[flip.offset - offset] = (copy[flip.offset - offset] ?? 0) ^ flip.mask;
  return copy;
}

function write(exchange: Exchange, slice: Buffer): Promise<boolean> {
  const { request, response, entry } = exchange;
  return new Promise((resolve) => {
    // Not the socket of the response: it has none yet while the answer before it on the connection is being ended.
    if (response.destroyed || request.socket.destroyed) return resolve(false);
    const gone = (): void => resolve(false);
    response.once('close', gone);
    response.write(slice, (failure) => {
      response.off('close', gone);
      if (!failure) entry.bytesSent += slice.length;
      resolve(!failure);
    });
  });
}

/** The last bytes get a moment to arrive: a reset makes both systems forget what is on its way. */
async function endEarly(exchange: Exchange, ending: 'reset' | 'finish' | 'stall'): Promise<void> {
  const { socket } = exchange.request;
  if (socket.destroyed) return;
  if (ending === 'stall') {
    await new Promise((resolve) => socket.once('close', resolve));
    return;
  }
  await sleep(10);
  if (ending === 'reset') socket.resetAndDestroy();
  else socket.end();
}
