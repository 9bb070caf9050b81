import { expect, test } from 'vitest';
import { runSettings, type TransferOptions } from '../../../src/operations/options.ts';
import { type TransferLimits, transferLimits } from '../../../src/transfer/transfer-settings.ts';

function limits(options: TransferOptions, free?: number): TransferLimits {
  return transferLimits(runSettings(options).transfer, free);
}

test('large files may have every connection, unless a rate limit needs only some', () => {
  expect(limits({ connections: 32 })).toEqual({ connections: 32, largeConnections: 32, waitingFiles: 72 });
  expect(limits({ connections: 32, bytesPerSecond: 8_000_000 }).largeConnections).toBe(3);
  expect(limits({ connections: 32, bytesPerSecond: 1 }).largeConnections).toBe(2);
  expect(limits({ connections: 2, bytesPerSecond: 80_000_000 }).largeConnections).toBe(2);
});

test('large files get no more connections than there are descriptors for', () => {
  expect(limits({ connections: 32 }, 96)).toEqual({ connections: 7, largeConnections: 7, waitingFiles: 7 });
  expect(limits({ connections: 32, bytesPerSecond: 4_000_000 }, 96).largeConnections).toBe(2);
});

test('the settings that cross to the I/O threads are plain data, without credential', () => {
  const { transfer } = runSettings({ token: 'hf_secret', logins: () => [], stallTimeoutMs: 5000 });
  expect(structuredClone(transfer)).toEqual(transfer);
  expect(JSON.stringify(transfer)).not.toContain('hf_secret');
  expect(transfer.stallTimeoutMs).toBe(5000);
});
