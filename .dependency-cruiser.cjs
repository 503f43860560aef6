// The walls of the layout. An import that crosses one fails `npm run walls`, which is part of `make test`.
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { pathNot: allowed },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    only(
      'domain-is-pure',
      '^domain/',
      ['^domain/'],
      'domain/ imports nothing but itself: no I/O, no clock, no Temporal.',
    ),
    {
      name: 'workflows-see-domain-and-temporal',
      comment: 'Workflows import domain/, each other, @temporalio/workflow and @temporalio/common.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: {
        pathNot: ['^domain/', '^workflows/', 'node_modules/@temporalio/(workflow|common)/'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'workflows-take-only-types-of-activities',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^(workers|starters|config|lab|test|bench)/' },
    },
    {
      name: 'activities-see-domain-and-adapters',
      comment: 'Activities import domain/, config/ (what it renders) and what lies beside them; they never compose.',
      severity: 'error',
      from: { path: '^activities/' },
      to: { path: '^(workflows|workers|starters|lab|test|bench)/' },
    },
    {
      name: 'config-sees-domain',
      severity: 'error',
      from: { path: '^config/' },
      to: { path: '^(workflows|activities|workers|starters|lab|test|bench)/' },
    },
    {
      name: 'workers-do-not-start',
      severity: 'error',
      from: { path: '^workers/' },
      to: { path: '^(starters|lab|test|bench)/' },
    },
    {
      name: 'product-never-imports-tests',
      severity: 'error',
      from: { path: '^(domain|workflows|activities|workers|starters|config|lab)/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'lab-is-beside-the-product',
      comment: 'The lab makes hosts and a spec; it knows nothing of workflows, activities or workers.',
      severity: 'error',
      from: { path: '^lab/' },
      to: { path: '^(workflows|activities|workers|starters)/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
};
