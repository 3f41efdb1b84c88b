// npm oidc-provider as an issuer, with its own pages for logging in and consent: any name is an account.
// Usage: node oidc_provider.mjs '{"port", "redirect_uri", "after_logout", "secret", "alg", "auth_method"}'
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const options = JSON.parse(process.argv[2]);
const kinds = { RS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519'] };
const { privateKey } = generateKeyPairSync(...kinds[options.alg]);
const provider = new Provider(`http://localhost:${options.port}`, {
  clients: [{
    client_id: 'cardea',
    client_secret: options.secret,
    redirect_uris: [options.redirect_uri],
    post_logout_redirect_uris: [options.after_logout],
    token_endpoint_auth_method: options.auth_method,
    id_token_signed_response_alg: options.alg,
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  cookies: { keys: ['a key for the cookies of a test'] },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  findAccount: (context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, name: `The ${id}`, email: `${id}@example.com`, email_verified: id !== 'unverified' }),
  }),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: options.alg, use: 'sig', kid: 'one' }] },
  pkce: { required: () => true },
});
provider.listen(options.port, 'localhost', () => console.log('ready'));
