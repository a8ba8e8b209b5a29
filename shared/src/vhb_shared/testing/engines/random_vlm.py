# mypy: ignore-errors
"""Writes a vision-language model of random weights: random_vlm.py ARCHITECTURE FOLDER SEED [SIZE].

ARCHITECTURE is qwen2_vl or llava. SIZE is tiny (a few hundred thousand weights, the default), or for llava 3b or 7b.
Runs in an engine's own environment, which has torch and transformers. The tokenizer is trained here on a few sentences,
the same way every time; nothing is fetched.
"""

import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 512
IMAGE = {"llava": "<image>", "qwen2_vl": "<|image_pad|>"}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SENTENCES = [
    "You are a helpful assistant. Describe the image: what is shown in this picture?",
    "system user assistant The quick brown fox jumps over the lazy dog. 0123456789",
    '{"label": "cat", "score": 0.93, "boxes": [[10, 20, 30, 40]]} yes no true false null',
]
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] in ['image', 'image_url'] %}{{ 'PLACEHOLDER' }}"
    "{% elif 'text' in c %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

TINY_TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY_VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
    "projection_dim": 64,
}
# Of CLIP ViT-L/14 at 336 pixels: 576 tokens for an image.
LARGE_VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}
# Text and vision; 7b has the shape of LLaVA 1.5 7B but for its vocabulary.
LLAVA = {
    "tiny": (TINY_TEXT, TINY_VISION),
    "3b": (
        {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 24},
        LARGE_VISION,
    ),
    "7b": (
        {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
        LARGE_VISION,
    ),
}


def tokenizer(architecture):
    special = [*SPECIAL, IMAGE[architecture]]
    named = {"image_token": IMAGE[architecture]}
    placeholder = "<image>\\n"
    if architecture == "qwen2_vl":
        special += ["<|vision_start|>", "<|vision_end|>", "<|video_pad|>"]
        named |= {
            "video_token": "<|video_pad|>",
            "vision_bos_token": "<|vision_start|>",
            "vision_eos_token": "<|vision_end|>",
        }
        placeholder = "<|vision_start|><|image_pad|><|vision_end|>"
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    trained.train_from_iterator(SENTENCES * 50, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=trained,
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
        additional_special_tokens=special,
        extra_special_tokens=named,
        model_max_length=2048,
    )
    made.chat_template = TEMPLATE.replace("PLACEHOLDER", placeholder)
    return made


def text_settings(token_id, shape=TINY_TEXT):
    return {
        "vocab_size": VOCABULARY,
        **shape,
        "num_key_value_heads": shape["num_attention_heads"],
        "max_position_embeddings": 4096,
        "bos_token_id": token_id("<|im_start|>"),
        "eos_token_id": token_id("<|im_end|>"),
        "pad_token_id": token_id("<|endoftext|>"),
        "tie_word_embeddings": False,
    }


def llava(words, size):
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    token_id = words.convert_tokens_to_ids
    text, vision = LLAVA[size]
    side = vision["image_size"]
    head = text["hidden_size"] // text["num_attention_heads"]
    settings = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision),
        text_config=LlamaConfig(head_dim=head, **text_settings(token_id, text)),
        image_token_index=token_id(IMAGE["llava"]),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
        tokenizer=words,
        patch_size=vision["patch_size"],
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        image_token=IMAGE["llava"],
        chat_template=words.chat_template,
    )
    if size == "tiny":
        return LlavaForConditionalGeneration(settings), processor
    # Billions of weights are drawn where and as they are kept; two copies would need the memory of two models.
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        return LlavaForConditionalGeneration(settings), processor


def qwen2_vl(words, size):
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    token_id = words.convert_tokens_to_ids
    positions = {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 10000.0}
    settings = Qwen2VLConfig(
        vision_config={
            "depth": 2,
            "embed_dim": 64,
            "hidden_size": 64,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "in_channels": 3,
        },
        text_config={"rope_parameters": positions, **text_settings(token_id)},
        image_token_id=token_id(IMAGE["qwen2_vl"]),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    pixels = {"shortest_edge": 56 * 56, "longest_edge": 224 * 224}  # at most 64 image tokens
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=pixels),
        tokenizer=words,
        video_processor=Qwen2VLVideoProcessor(size=pixels),
        chat_template=words.chat_template,
    )
    return Qwen2VLForConditionalGeneration(settings), processor


def rename_as_on_the_hub(folder):
    """Engines expect the weights' names of published checkpoints, which transformers maps on loading."""
    from safetensors.torch import load_file, save_file

    path = f"{folder}/model.safetensors"
    weights = {
        name.replace("vision_tower.", "vision_tower.vision_model.", 1): value for name, value in load_file(path).items()
    }
    save_file(weights, path, metadata={"format": "pt"})


def main(architecture, folder, seed, size="tiny"):
    torch.manual_seed(int(seed))
    words = tokenizer(architecture)
    model, processor = {"llava": llava, "qwen2_vl": qwen2_vl}[architecture](words, size)
    model = model.to(torch.bfloat16)
    text = text_settings(words.convert_tokens_to_ids)
    model.generation_config.update(**{name: text[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")})
    model.save_pretrained(folder, max_shard_size="1000GB")
    processor.save_pretrained(folder)
    if architecture == "llava":
        rename_as_on_the_hub(folder)
    print(f"{sum(weight.numel() for weight in model.parameters())} weights")


if __name__ == "__main__":
    main(*sys.argv[1:])
