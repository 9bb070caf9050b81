/** Put in by the bundler (`scripts/bundle.js`) from package.json; sources that run as they are do not have it. */
declare const PACKAGE_VERSION: string | undefined;

/** Of this package, as package.json has it. */
export const VERSION: string = typeof PACKAGE_VERSION === 'string' ? PACKAGE_VERSION : '0.0.0';
