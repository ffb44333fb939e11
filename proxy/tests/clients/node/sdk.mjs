// The SDKs as they were installed: by `npm ci` of this folder's lock file, in PENSTOCK_NODE (target/node).
import { createRequire } from 'node:module';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../../../..');
const require = createRequire(`${process.env.PENSTOCK_NODE ?? path.join(ROOT, 'target/node')}/`);

export const OpenAI = require('openai');
export const { zodResponseFormat, zodFunction } = require('openai/helpers/zod');
export const { z } = require('zod');
export const { Anthropic } = require('@anthropic-ai/sdk');
export const ai = require('ai');
export const { createOpenAI } = require('@ai-sdk/openai');
export const { createOpenAICompatible } = require('@ai-sdk/openai-compatible');
export const { createAnthropic } = require('@ai-sdk/anthropic');
