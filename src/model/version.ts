/** Replaced by the bundler (`scripts/bundle.js`) with the version of package.json; undefined in unbundled sources. */
declare const PACKAGE_VERSION: string | undefined;

/** The version of this package. */
export const VERSION: string = typeof PACKAGE_VERSION === 'string' ? PACKAGE_VERSION : '0.0.0';
