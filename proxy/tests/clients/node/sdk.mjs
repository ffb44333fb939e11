// The OpenAI SDK as it was installed: by `npm ci` of this folder's lock file, in PENSTOCK_NODE (target/node).
import { createRequire } from 'node:module';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../../../..');
const require = createRequire(`${process.env.PENSTOCK_NODE ?? path.join(ROOT, 'target/node')}/`);

export const OpenAI = require('openai');
export const { zodResponseFormat, zodFunction } = require('openai/helpers/zod');
export const { z } = require('zod');
