import type { ByteRange } from '../../../model/byte-range.ts';
import type { PackedChunks } from './packed-chunks.ts';

const FIELDS = 4;

/** What a job wrote since its last report. */
export interface JobReport {
  readonly id: number;
  readonly written: Written;
}

/** A written range, and the bytes of network traffic it cost. */
export interface Written {
  readonly range: ByteRange;
  readonly wireBytes: number;
  /** Chunks of a Xet file that were written with them. */
  readonly chunks?: PackedChunks;
}

/** Reports in a form that crosses threads at once: objects are copied field by field. */
export interface PackedReports {
  /** Of each report without chunks: the job, where its range starts and ends, the bytes on the network. */
  readonly fields: Float64Array;
  /** Those with chunks. */
  readonly chunked: readonly JobReport[];
}

export function packReports(reports: readonly JobReport[]): PackedReports {
  const plain = reports.filter(({ written }) => written.chunks === undefined);
  const fields = new Float64Array(plain.length * FIELDS);
  for (const [number, { id, written }] of plain.entries()) {
    const { range, wireBytes } = written;
    fields.set([id, range.start, range.end, wireBytes], number * FIELDS);
  }
  return { fields, chunked: reports.filter(({ written }) => written.chunks !== undefined) };
}

/** Calls `tell` with each of them. */
export function unpackReports({ fields, chunked }: PackedReports, tell: (report: JobReport) => void): void {
  for (let at = 0; at < fields.length; at += FIELDS) {
    const range = { start: fields[at + 1]!, end: fields[at + 2]! };
    tell({ id: fields[at]!, written: { range, wireBytes: fields[at + 3]! } });
  }
  for (const report of chunked) tell(report);
}
