# mypy: ignore-errors
"""Writes a vision-language model of a few hundred thousand random weights: tiny_vlm.py ARCHITECTURE FOLDER SEED.

ARCHITECTURE is qwen2_vl or llava. Runs in an engine's own environment, which has torch and transformers. The tokenizer
is trained here on a few sentences, the same way every time; nothing is fetched.
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


def text_settings(token_id):
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": token_id("<|im_start|>"),
        "eos_token_id": token_id("<|im_end|>"),
        "pad_token_id": token_id("<|endoftext|>"),
        "tie_word_embeddings": False,
    }


def llava(words):
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    token_id = words.convert_tokens_to_ids
    vision = CLIPVisionConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        projection_dim=64,
    )
    settings = LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(head_dim=32, **text_settings(token_id)),
        image_token_index=token_id(IMAGE["llava"]),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        tokenizer=words,
        patch_size=14,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        image_token=IMAGE["llava"],
        chat_template=words.chat_template,
    )
    return LlavaForConditionalGeneration(settings), processor


def qwen2_vl(words):
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


def main(architecture, folder, seed):
    torch.manual_seed(int(seed))
    words = tokenizer(architecture)
    model, processor = {"llava": llava, "qwen2_vl": qwen2_vl}[architecture](words)
    model = model.to(torch.bfloat16)
    text = text_settings(words.convert_tokens_to_ids)
    model.generation_config.update(**{name: text[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")})
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if architecture == "llava":
        rename_as_on_the_hub(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
