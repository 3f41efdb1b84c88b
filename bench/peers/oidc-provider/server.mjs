// oidc-provider with its memory adapter. The resource that a client asks for chooses the form of its access token:
// urn:x:es256 a JWT signed ES256; none: an opaque token.
// usage: PORT=4600 node server.mjs
import { Provider } from 'oidc-provider';
import { generateKeyPairSync } from 'node:crypto';

const port = Number(process.env.PORT);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey; // for its default RS256, which nobody asks for

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: {
    keys: [
      { ...rsa.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'r1' },
      { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'e1' },
    ],
  },
  scopes: ['scope1'],
  clients: [{
    client_id: 'c1',
    client_secret: 'secret12',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  ttl: { ClientCredentials: 3600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'scope1',
        audience: resource,
        accessTokenTTL: 3600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

provider.on('server_error', (ctx, error) => console.error(error));
provider.listen(port, '127.0.0.1', () => console.log('listening', port));
