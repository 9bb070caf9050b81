// Loaded by `node --require` before a program and in each of its threads: names of KNOWN_NAMES, `name=address,address`,
// have these IPv4 addresses in this order. Every other name is looked up as ever.
const dns = require('node:dns');
const { syncBuiltinESMExports } = require('node:module');

const known = new Map(
  (process.env.KNOWN_NAMES ?? '')
    .split(' ')
    .filter((entry) => entry !== '')
    .map((entry) => entry.split('='))
    .map(([name, addresses]) => [name, addresses.split(',').map((address) => ({ address, family: 4 }))]),
);

const { lookup } = dns;
dns.lookup = (host, options, answer) => {
  const found = known.get(host);
  if (found === undefined) return lookup(host, options, answer);
  const [tell, { all = false }] = answer === undefined ? [options, {}] : [answer, Object(options)];
  if (all) process.nextTick(tell, null, found);
  else process.nextTick(tell, null, found[0].address, 4);
};

const promised = dns.promises.lookup;
dns.promises.lookup = async (host, options = {}) => {
  const found = known.get(host);
  if (found === undefined) return await promised(host, options);
  return options.all === true ? found : found[0];
};
syncBuiltinESMExports();
