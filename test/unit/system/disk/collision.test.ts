import { expect, test } from 'vitest';
import { despiteOthers, isMissing } from '../../../../src/system/disk/collision.ts';

function failing(times: number, code: string) {
  let calls = 0;
  const work = async () => {
    calls += 1;
    if (calls <= times) throw Object.assign(new Error(code), { code });
    return calls;
  };
  return { work, calls: () => calls };
}

test('disk work that collides is repeated, five times at most', async () => {
  expect(await despiteOthers(failing(4, 'ENOENT').work, isMissing)).toBe(5);
  const endless = failing(9, 'ENOENT');
  await expect(despiteOthers(endless.work, isMissing)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(endless.calls()).toBe(5);
});

test('a failure of the disk is not repeated', async () => {
  const full = failing(9, 'ENOSPC');
  await expect(despiteOthers(full.work, isMissing)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(full.calls()).toBe(1);
});
