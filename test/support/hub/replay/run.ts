import { once } from 'node:events';
import { readRecording } from './recording.ts';
import { startReplay } from './replay.ts';

/** Replays a recording until it is stopped, and prints one line of JSON that says where. Ends the process. */
export async function runReplay(file: string, port: number): Promise<never> {
  const recording = await readRecording(file);
  const replay = await startReplay(recording, port);
  const { id: repo, revision } = recording.repo ?? {};
  console.log(JSON.stringify({ origin: replay.origin, repo, revision, pid: process.pid }));
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await replay.close();
  process.exit(0);
}
