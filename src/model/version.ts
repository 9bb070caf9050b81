/** Of this package. A test compares it with package.json, which code that is bundled cannot find. */
export const VERSION = '0.1.0';
