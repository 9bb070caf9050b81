/** The peer `hub.js`: what a program of three lines does with @huggingface/hub. */
import { snapshotDownload } from '@huggingface/hub';

const [repo = '', hubUrl = '', cacheDir = ''] = process.argv.slice(2);
await snapshotDownload({ repo, hubUrl, cacheDir });
