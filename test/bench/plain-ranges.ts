/** The peer `plain`: so many connections take ranges of a file in turn. Nothing is written, checked or looked up. */
import { Agent, get } from 'node:http';

const [url = '', size = '', connections = '', rangeBytes = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
let next = 0;

function fetchRange(start: number, end: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: { range: `bytes=${start}-${end - 1}` } }, (response) => {
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      response.on('end', () => {
        if (response.statusCode === 206 && bytes === end - start) resolve();
        else reject(new Error(`${response.statusCode} with ${bytes} bytes instead of ${end - start}`));
      });
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

async function connection(): Promise<void> {
  while (next < Number(size)) {
    const start = next;
    next = Math.min(Number(size), start + Number(rangeBytes));
    await fetchRange(start, next);
  }
}

await Promise.all(Array.from({ length: Number(connections) }, connection));
agent.destroy();
