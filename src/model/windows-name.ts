/** Characters that Windows forbids in file names. */
const FORBIDDEN = /[<>:"/\\|?*\p{Cc}]/u;

const DEVICE = /^(CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])$/i;

/** True for `CON`, `nul.txt`, `COM1 .log`: Windows opens a device by these names in every directory. */
export function isWindowsDevice(segment: string): boolean {
  const stem = segment.split(/[.:]/u, 1)[0] ?? '';
  return DEVICE.test(stem.trimEnd());
}

/** Why a file or directory name cannot exist on Windows; undefined if it can. */
export function windowsNameProblem(segment: string): string | undefined {
  const forbidden = FORBIDDEN.exec(segment)?.[0];
  if (forbidden !== undefined) return `Windows does not allow ${JSON.stringify(forbidden)} in a name`;
  if (/[. ]$/.test(segment)) return 'Windows drops a dot or space at the end of a name';
  if (isWindowsDevice(segment)) return 'Windows reserves this name for a device';
  return undefined;
}

/** The name with `_` in place of everything that Windows forbids. */
export function windowsSafeName(segment: string): string {
  const replaced = segment
    .replace(new RegExp(FORBIDDEN, 'gu'), '_')
    .replace(/[. ]+$/, (end) => '_'.repeat(end.length));
  return isWindowsDevice(replaced) ? `_${replaced}` : replaced;
}
