import { expect, test } from 'vitest';
import type { RepoRef } from '../../../../src/model/repo.ts';
import { renderBranchJson } from '../../../../src/report/tables/branch-json.ts';
import { renderCheckJson } from '../../../../src/report/tables/findings.ts';
import { renderPlanJson } from '../../../../src/report/tables/plan-table.ts';
import { planOf } from '../records.ts';

const HUB: RepoRef = { type: 'model', id: 'owner/name' };
const OLLAMA: RepoRef = { type: 'model', source: 'ollama', id: 'registry.ollama.ai/library/mixtral' };

const DOCUMENTS: readonly (readonly [command: string, render: (repo: RepoRef) => string])[] = [
  ['branches', (repo) => renderBranchJson({ repo, rows: [], notes: [] })],
  [
    'download --dry-run',
    (repo) => {
      const plan = planOf([]);
      return renderPlanJson({ ...plan, revision: { ...plan.revision, repo } }, '/models/x');
    },
  ],
  [
    'verify',
    (repo) => {
      const where = { directory: '/models/x', endpoint: 'https://registry.ollama.ai', revision: 'latest' };
      const facts = { commit: `sha256:${'0'.repeat(64)}`, quick: false, files: 0, bytes: 0, findings: [] };
      return renderCheckJson({ ...where, ...facts, repo });
    },
  ],
];

test.each(DOCUMENTS)(
  'the document of %s names the source of a repository that is not on the Hub',
  (_, render) => {
    expect(JSON.parse(render(OLLAMA)).repo).toEqual(OLLAMA);
    expect(JSON.parse(render(HUB)).repo).toEqual(HUB);
  },
);
