/** How wide stdout is, in columns: the terminal, else what COLUMNS says; undefined for no limit. */
export function stdoutColumns(): number | undefined {
  const { columns, isTTY } = process.stdout;
  return isTTY ? columns : columnsVariable();
}

function columnsVariable(): number | undefined {
  const columns = Number(process.env['COLUMNS']);
  return Number.isSafeInteger(columns) && columns >= 20 ? columns : undefined;
}
