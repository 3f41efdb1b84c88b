// Logs in with arctic: node arctic.mjs FAKES. It prints what each step gave, as JSON. arctic knows the addresses of the real providers only,
// so that they are exchanged for those of the fakes.
import * as arctic from 'arctic';

const fakes = process.argv[2];
const HOSTS = { 'https://osu.ppy.sh': '/osu', 'https://discord.com': '/discord', 'https://api.github.com': '/github/api', 'https://github.com': '/github' };
const BACK = 'http://localhost:5000/callback';

function atFakes(url) {
  const text = String(url);
  const host = Object.keys(HOSTS).find((name) => text.startsWith(`${name}/`));
  if (!host) throw new Error(`no fake for ${text}`);
  return fakes + HOSTS[host] + text.slice(host.length);
}

const realFetch = globalThis.fetch;
globalThis.fetch = async (request) => realFetch(atFakes(request.url), {
  method: request.method, headers: request.headers, body: await request.arrayBuffer(),
});

// Where the browser would go back to.
async function authorize(url, state) {
  const answer = await realFetch(atFakes(url), { redirect: 'manual' });
  const back = new URL(answer.headers.get('location'));
  if (answer.status !== 303 || back.searchParams.get('state') !== state || back.origin + back.pathname !== BACK) throw new Error(`came back to ${back}`);
  return back.searchParams.get('code');
}

async function whoIs(path, token) {
  const answer = await realFetch(fakes + path, { headers: { authorization: `Bearer ${token}`, accept: 'application/json' } });
  return answer.json();
}

async function errorOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error instanceof arctic.OAuth2RequestError ? error.code : error.constructor.name;
  }
}

const seconds = (date) => Math.round((date - Date.now()) / 1000);

async function osu() {
  const client = new arctic.Osu('1234', 'osu-secret', BACK);
  const state = arctic.generateState();
  const code = await authorize(client.createAuthorizationURL(state, ['identify', 'public']), state);
  const first = await client.validateAuthorizationCode(code);
  const second = await client.refreshAccessToken(first.refreshToken());
  return {
    lifetime: seconds(first.accessTokenExpiresAt()), hasScopes: first.hasScopes(), user: await whoIs('/osu/api/v2/me', second.accessToken()),
    rotates: first.refreshToken() !== second.refreshToken(), again: await errorOf(client.refreshAccessToken(first.refreshToken())),
    usedCode: await errorOf(client.validateAuthorizationCode(code)),
    wrongSecret: await errorOf(new arctic.Osu('1234', 'other', BACK).refreshAccessToken(second.refreshToken())),
  };
}

async function discord() {
  const client = new arctic.Discord('157730590492196864', 'discord-secret', BACK);
  const state = arctic.generateState();
  const verifier = arctic.generateCodeVerifier();
  const begin = () => authorize(client.createAuthorizationURL(state, verifier, ['identify', 'email']), state);
  const first = await client.validateAuthorizationCode(await begin(), verifier);
  const second = await client.refreshAccessToken(first.refreshToken());
  const user = await whoIs('/discord/api/users/@me', second.accessToken());
  await client.revokeToken(second.accessToken());
  return {
    lifetime: seconds(first.accessTokenExpiresAt()), scopes: first.scopes(), user, rotates: first.refreshToken() !== second.refreshToken(),
    again: await errorOf(client.refreshAccessToken(first.refreshToken())),
    wrongVerifier: await errorOf(client.validateAuthorizationCode(await begin(), arctic.generateCodeVerifier())),
    wrongSecret: await errorOf(new arctic.Discord('157730590492196864', 'other', BACK).validateAuthorizationCode(await begin(), verifier)),
    revoked: await whoIs('/discord/api/users/@me', second.accessToken()),
  };
}

async function github() {
  const client = new arctic.GitHub('Iv1.fake', 'github-secret', BACK);
  const state = arctic.generateState();
  const code = await authorize(client.createAuthorizationURL(state, ['user:email']), state);
  const tokens = await client.validateAuthorizationCode(code);
  return {
    hasRefreshToken: tokens.hasRefreshToken(), user: await whoIs('/github/api/user', tokens.accessToken()),
    usedCode: await errorOf(client.validateAuthorizationCode(code)),
    wrongSecret: await errorOf(new arctic.GitHub('Iv1.fake', 'other', BACK).validateAuthorizationCode(code)),
  };
}

console.log(JSON.stringify({ osu: await osu(), discord: await discord(), github: await github() }));
